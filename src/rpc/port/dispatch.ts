/** Finds the service that answers an HTTP request, in any of the three protocols. */

import { Http2ServerResponse, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { JsonReadOptions } from "@bufbuild/protobuf";
import { create, createRegistry, type JsonWriteOptions, toBinary } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, Interceptor } from "@connectrpc/connect";
import { Code, ConnectError, createConnectRouter, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import { file_kvlab_v1_errors, NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import type { Deadlines } from "../../common/deadlines.ts";
import { callRoom } from "../call-room.ts";
import { refusingUnknownFields } from "../unknown-fields.ts";
import { bodyOf } from "./body.ts";
import { compressions, compressMinBytes } from "./compression.ts";
import type { Call } from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { AllowedOrigins } from "./cors.ts";
import { answerCors } from "./cors.ts";
import { type BegunCall, createFastPath } from "./fast-path/fast-path.ts";
import { FastMethods } from "./fast-path/methods.ts";
import { holding, holdingParts } from "./held-body.ts";
import { holdAnswer } from "./held-bytes.ts";
import type { Request, Response } from "./http.ts";
import { respond } from "./http.ts";
import type { Rewrite } from "./negotiate.ts";
import { limitCall, negotiate } from "./negotiate.ts";
import { problemWithQuery } from "./query.ts";
import { refuse, shortened } from "./refuse.ts";
import { readTarget, type Target } from "./target.ts";
import { writeAnswer } from "./write-answer.ts";

export interface DispatchOptions {
  readonly routes: (router: ConnectRouter) => void;
  readonly messageBytesMax: number;
  readonly allowedOrigins: AllowedOrigins;
  readonly connections: Connections;
  readonly deadlines: Deadlines;
  /** Aborts when the listener closes. */
  readonly closing: AbortSignal;
}

/** Two ways to answer calls: the same for callers, but in the time that they take. */
export interface Dispatcher {
  /** For any request. */
  readonly general: (request: Request, response: Response) => void;
  /** For usual ones over HTTP/2. Returns false for others, of which it has touched nothing. */
  readonly fast: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean;
}

export function createDispatcher(options: DispatchOptions): Dispatcher {
  const router = createConnectRouter({
    acceptCompression: [...compressions],
    // Only what is read is limited. An accepted value is answered in every format, and JSON may need six times its bytes.
    readMaxBytes: options.messageBytesMax,
    compressMinBytes,
    jsonOptions: strictJson,
    interceptors: [endStreamsOn(options.closing), refusingUnknownFields, holdingAnswers],
    requestGate: (context) => {
      if (options.closing.aborted) throw notTaken();
      blameSenderForMalformedMessages(context);
    },
  });
  const methods = new FastMethods(router, options.messageBytesMax);
  options.routes(methods);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const fast = createFastPath({
    ...options,
    methods,
    goGeneralWay(begun) {
      const handler = handlers.get(begun.headers[":path"] ?? "");
      if (handler !== undefined) answerBegun(handler, begun);
    },
  });

  const general = (request: Request, response: Response) => {
    // A failure of the connection ends its calls by itself. Without these handlers it would end the process.
    request.on("error", ignore);
    response.on("error", ignore);
    const target = readTarget(request);
    const handler = handlers.get(target.path);
    const call = options.connections.begin(request, response, streamsOf(handler));
    // The connection was closed because of this call, or of one that was read together with it.
    if (!("stream" in request) && request.socket.destroyed) return;
    const { origin } = request.headers;
    if (origin !== undefined && answerCors({ request, response, origin, allowed: options.allowedOrigins })) {
      return;
    }
    const problem = problemWith(request, target);
    if (request.method === "OPTIONS") {
      const verbs = handler?.allowedMethods ?? ["GET", "POST"];
      respond(response, 204, { Allow: ["OPTIONS", ...verbs].join(", ") });
    } else if (handler === undefined && target.path === "/" && isReading(request)) {
      respond(response, 200, { "Content-Type": "text/plain; charset=utf-8" }, greeting);
    } else if (handler === undefined) {
      const message = `no such method: ${shortened(target.path)}`;
      refuse(request, response, { code: Code.Unimplemented, message });
    } else if (problem !== undefined) {
      refuse(request, response, { status: 400, code: Code.InvalidArgument, message: problem });
    } else {
      const negotiated = negotiate(request, handler, target.query);
      if (typeof negotiated === "function") answer({ handler, request, response, call, rewrite: negotiated });
      else refuse(request, response, negotiated);
    }
  };
  return { general, fast };
}

function problemWith({ method }: Request, { hasHost, query }: Target): string | undefined {
  if (!hasHost) return "no Host header, or one that names no host";
  return query === "" ? undefined : problemWithQuery(method, query);
}

/** For people who open the port in a browser. */
const greeting = "This port serves gRPC, gRPC-Web and Connect; the services are listed by gRPC reflection.\n";

function isReading({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

function notTaken(): ConnectError {
  const notApplied = { desc: NotAppliedSchema, value: create(NotAppliedSchema) };
  return new ConnectError("this node is shutting down", Code.Unavailable, undefined, [notApplied]);
}

interface Exchange {
  readonly handler: UniversalHandler;
  readonly request: Request;
  readonly response: Response;
  readonly call: Call;
  /** Makes the request's headers what Connect expects. */
  readonly rewrite: Rewrite;
}

function answer({ handler, request, response, call, rewrite }: Exchange): void {
  // A read is linearizable: without this, a cache may keep its answer for as long as it likes (RFC 9111, 4.2.2).
  if (request.method === "GET") response.setHeader("Cache-Control", "no-store");
  const values = createContextValues().set(callRoom, call);
  const universal = universalRequestFromNodeRequest(request, response, undefined, values);
  rewrite(universal.header);
  const isStream = streamsOf(handler).in;
  const body = bodyOf(request, isStream);
  const answering = handler({
    ...universal,
    body: isStream ? holdingParts(call, body) : holding(call, body),
  });
  // Errors of services have become answers by now. What is left is a client that went away.
  writeAnswer(answering, response, call).catch(() => response.destroy());
}

/** Answers a call that the fast path has begun. */
function answerBegun(
  handler: UniversalHandler,
  { stream, headers, protocol, call, chunks }: BegunCall,
): void {
  const response = new Http2ServerResponse(stream);
  response.on("error", ignore);
  const gone = new AbortController();
  stream.once("close", () => gone.abort());
  stream.once("end", () => call.received());
  const fields = Object.entries(headers).filter(([name]) => !name.startsWith(":"));
  const header = new Headers(fields.map(([name, value]): [string, string] => [name, String(value)]));
  limitCall(header, handler, protocol);
  const answering = handler({
    httpVersion: "2.0",
    method: "POST",
    url: `http://localhost${handler.requestPath}`,
    header,
    body: restOf(stream, chunks, call),
    signal: gone.signal,
    contextValues: createContextValues().set(callRoom, call),
  });
  writeAnswer(answering, response, call).catch(() => response.destroy());
}

/** The body of a request of which some chunks have been read. */
async function* restOf(
  stream: ServerHttp2Stream,
  chunks: readonly Buffer<ArrayBuffer>[],
  call: Call,
): AsyncIterable<Uint8Array<ArrayBuffer>> {
  try {
    // The last of them may be what there was no room for.
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    call.require(bytes);
    yield* chunks;
    if (!stream.readableEnded) yield* holding(call, bodyOf(stream, false), bytes);
  } finally {
    // As `bodyOf` does, which may not have begun.
    stream.resume();
  }
}

/**
 * Unknown and repeated fields are refused. Connect's default ignores them, and with them a misspelt condition. JSON must
 * be UTF-8 (RFC 8259, 8.1). By default other bytes become U+FFFD, and so another key.
 */
const strictJson: Partial<JsonReadOptions & JsonWriteOptions> & { textDecoder: TextDecoder } = {
  ignoreUnknownFields: false,
  textDecoder: new TextDecoder("utf-8", { fatal: true }),
  // The details of failures that an answer may have.
  registry: createRegistry(file_kvlab_v1_errors),
};

/**
 * A malformed message is the caller's error, but Connect reports INTERNAL for the binary format. And what it says about JSON
 * may repeat half a surrogate pair, which cannot be written in gRPC: the call would end without an answer. In all three
 * protocols its handlers abort the call's signal with the error before they write the error down.
 */
function blameSenderForMalformedMessages({ signal }: HandlerContext): void {
  signal.addEventListener("abort", () => {
    const error: unknown = signal.reason;
    if (!(error instanceof ConnectError)) return;
    const { rawMessage } = error;
    if (rawMessage.startsWith("parse binary: ")) Object.assign(error, { code: Code.InvalidArgument });
    if (!rawMessage.isWellFormed()) Object.assign(error, { rawMessage: rawMessage.toWellFormed() });
  });
}

/** Streams may last for ever. When the listener closes, their signal tells them to end. */
function endStreamsOn(closing: AbortSignal): Interceptor {
  return (next) => (request) =>
    next(request.stream ? { ...request, signal: AbortSignal.any([request.signal, closing]) } : request);
}

/** Holds answers with their length in the binary format, whatever the format in which they are sent. */
const holdingAnswers: Interceptor = (next) => async (request) => {
  const response = await next(request);
  if (response.stream) return response;
  const { output } = response.method;
  const bytes = toBinary(output, response.message).length;
  holdAnswer(request.contextValues.get(callRoom), response.method, bytes);
  return response;
};

function streamsOf(handler: UniversalHandler | undefined): { in: boolean; out: boolean } {
  const kind = handler?.method.methodKind;
  return {
    in: kind === "client_streaming" || kind === "bidi_streaming",
    out: kind === "server_streaming" || kind === "bidi_streaming",
  };
}

function ignore(): void {}
