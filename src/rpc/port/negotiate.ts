/** Whether a method accepts the form of a request: verb, HTTP version, content type, compression. */

import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { timerMsMax } from "../../common/clock.ts";
import { defaultDeadlineMs } from "../deadline.ts";
import { compressionIsBusy, compressions } from "./compression.ts";
import type { Request } from "./http.ts";
import { type Refusal, shortened } from "./refuse.ts";

/** Rewrites header fields to the spelling that the handlers know. */
export type Rewrite = (header: Headers) => void;

export function negotiate(request: Request, handler: UniversalHandler, query: string): Rewrite | Refusal {
  const { method = "" } = request;
  if (!handler.allowedMethods.includes(method)) {
    const allowed = handler.allowedMethods.join(", ");
    return {
      status: 405,
      code: Code.Unimplemented,
      message: `${method} ${handler.requestPath}: allowed is ${allowed}`,
      headers: { Allow: allowed },
    };
  }
  return method === "GET" ? negotiateGet(query, handler) : negotiatePost(request, handler);
}

/** A GET says everything in its query: https://connectrpc.com/docs/protocol/#unary-get-request */
function negotiateGet(query: string, handler: UniversalHandler): Rewrite | Refusal {
  const parameters = new URLSearchParams(query);
  const encoding = parameters.get("encoding") ?? "";
  if (encoding !== "json" && encoding !== "proto") {
    return {
      status: 400,
      code: Code.InvalidArgument,
      message: `encoding ${quoted(encoding)} in the query of a GET: allowed are json and proto, as in ?encoding=json&message={}`,
    };
  }
  // Connect would answer INTERNAL.
  if (parameters.get("base64") === "1" && !isBase64(parameters.get("message") ?? "")) {
    return {
      status: 400,
      code: Code.InvalidArgument,
      message: "the message in the query of a GET is not base64, as base64=1 says",
    };
  }
  return (header) => {
    // Has no meaning for a request without a body, but some clients always send it.
    header.delete("content-type");
    limitCall(header, handler, "connect");
  };
}

function isBase64(text: string): boolean {
  try {
    base64Decode(text);
    return true;
  } catch {
    return false;
  }
}

function negotiatePost({ headers, httpVersion }: Request, handler: UniversalHandler): Rewrite | Refusal {
  const given = headers["content-type"] ?? "";
  const type = mediaType(given);
  const taken = handler.method.methodKind === "unary" ? unaryTypes : streamTypes;
  if (type === undefined || !taken.includes(type)) {
    return {
      status: 415,
      code: Code.Unimplemented,
      message: `content type ${quoted(given)}: allowed here are ${taken.join(", ")}`,
      headers: { "Accept-Post": taken.join(", ") },
    };
  }
  // Over HTTP/1.1 the gRPC status, which is in the trailers, is lost on the way.
  const needsHttp2 = handler.method.methodKind === "bidi_streaming" || grpcTypes.includes(type);
  if (needsHttp2 && httpVersion.startsWith("1.")) {
    return {
      status: 505,
      code: Code.Unimplemented,
      message: `HTTP/${httpVersion} with ${type} for ${handler.requestPath}: allowed is HTTP/2 (with prior knowledge)`,
      // Otherwise a client that sends for ever would wait for an answer.
      headers: { Connection: "close" },
    };
  }
  const { sent, accepted } = compressionHeaders(type);
  const encoding = nameOfEncoding(headers[sent]);
  if (encoding !== "identity" && !encodings.includes(encoding)) {
    return {
      code: Code.Unimplemented,
      message: `${sent} ${quoted(encoding)}: allowed are identity, ${encodings.join(", ")}`,
      headers: { [accepted]: encodings.join(", ") },
    };
  }
  return (header) => {
    header.set("content-type", type);
    if (encoding !== "identity") header.set(sent, encoding);
    limitCall(header, handler, type.startsWith("application/grpc") ? "grpc" : "connect");
  };
}

const grpcTypes = ["application/grpc", "application/grpc+proto", "application/grpc+json"];
const grpcWebTypes = ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json"];
const unaryTypes = ["application/json", "application/proto", ...grpcTypes, ...grpcWebTypes];
const streamTypes = ["application/connect+json", "application/connect+proto", ...grpcTypes, ...grpcWebTypes];

/** The type in lower case, without parameters; undefined when they say that the text is not UTF-8. */
function mediaType(contentType: string): string | undefined {
  const [type = "", ...parameters] = contentType.split(";").map((part) => part.trim().toLowerCase());
  const isOther = (parameter: string) =>
    parameter.startsWith("charset=") && !/^charset="?(utf-?8|us-ascii)"?$/.test(parameter);
  return parameters.some(isOther) ? undefined : type;
}

const encodings = compressions.map(({ name }) => name);

/** Other names that clients use: any case, and those of RFC 9110, 8.4.1.3. */
function nameOfEncoding(header: string | string[] | undefined): string {
  const name = String(header ?? "").toLowerCase();
  return name === "" ? "identity" : name === "x-gzip" ? "gzip" : name;
}

function compressionHeaders(type: string): { sent: string; accepted: string } {
  if (type.startsWith("application/grpc")) return { sent: "grpc-encoding", accepted: "grpc-accept-encoding" };
  const prefix = type.startsWith("application/connect+") ? "connect-" : "";
  return { sent: `${prefix}content-encoding`, accepted: `${prefix}accept-encoding` };
}

const acceptHeaders = ["accept-encoding", "connect-accept-encoding", "grpc-accept-encoding"];

/** Sends an answer uncompressed when too many wait to be compressed. */
function spareCompression(header: Headers): void {
  const given = acceptHeaders.filter((name) => header.has(name));
  if (given.length === 0 || !compressionIsBusy()) return;
  for (const name of given) header.set(name, "identity");
}

/** Keeps the time-out within what timers can count, gives unary calls one, and limits what waits to be compressed. */
export function limitCall(
  headers: Headers,
  { method }: UniversalHandler,
  protocol: "grpc" | "connect",
): void {
  const name = protocol === "grpc" ? "grpc-timeout" : "connect-timeout-ms";
  if (headers.has(name)) clampTimeout(headers);
  else if (method.methodKind === "unary") {
    headers.set(name, `${defaultDeadlineMs}${protocol === "grpc" ? "m" : ""}`);
  }
  spareCompression(headers);
}

/**
 * Shortens the time-out in the headers of a call to the longest that a timer can count: the libraries' timers fire at
 * once with a longer one. Malformed headers are left for the libraries to refuse.
 */
function clampTimeout(headers: Headers): void {
  const connect = headers.get("connect-timeout-ms");
  if (connect !== null && Number(connect) > timerMsMax && /^\d{1,10}$/.test(connect)) {
    headers.set("connect-timeout-ms", String(timerMsMax));
  }
  const [, digits = "", unit = ""] = /^(\d{1,8})([HMS])$/.exec(headers.get("grpc-timeout") ?? "") ?? [];
  if (Number(digits) * (secondsOf[unit] ?? 0) > timerSecondsMax) {
    headers.set("grpc-timeout", `${timerSecondsMax}S`);
  }
}

const secondsOf: Readonly<Record<string, number>> = { H: 3_600, M: 60, S: 1 };
const timerSecondsMax = Math.floor(timerMsMax / 1_000);

function quoted(value: string): string {
  return JSON.stringify(shortened(value));
}
