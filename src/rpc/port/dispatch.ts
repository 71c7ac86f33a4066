/** From an HTTP request to the service that answers it, in whichever of the three protocols it is written. */

import type { JsonReadOptions } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, Interceptor } from "@connectrpc/connect";
import { Code, ConnectError, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { clampTimeout } from "../deadline.ts";
import { refusingUnknownFields } from "../unknown-fields.ts";
import { bodyOf } from "./body.ts";
import { compressions } from "./compression.ts";
import type { Call, Connections } from "./connections.ts";
import type { AllowedOrigins } from "./cors.ts";
import { answerCors } from "./cors.ts";
import type { Request, Response } from "./http.ts";
import { respond } from "./http.ts";
import type { Rewrite } from "./negotiate.ts";
import { negotiate } from "./negotiate.ts";
import { problemWithQuery } from "./query.ts";
import { refuse, shortened } from "./refuse.ts";
import { readTarget } from "./target.ts";
import { writeAnswer } from "./write-answer.ts";

export interface DispatchOptions {
  readonly routes: (router: ConnectRouter) => void;
  readonly messageBytesMax: number;
  readonly allowedOrigins: AllowedOrigins;
  readonly connections: Connections;
  /** Aborts when the listener closes. */
  readonly closing: AbortSignal;
}

export function createDispatcher(options: DispatchOptions): (request: Request, response: Response) => void {
  const router = createConnectRouter({
    acceptCompression: [...compressions],
    // What is read only: what was once accepted is answered in every form, and in JSON text may take six times its bytes.
    readMaxBytes: options.messageBytesMax,
    jsonOptions: strictJson,
    interceptors: [endStreamsOn(options.closing), refusingUnknownFields],
    requestGate: (context) => {
      if (options.closing.aborted) throw notTaken();
      blameSenderForMalformedMessages(context);
    },
  });
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  return (request, response) => {
    // Whatever fails on a connection ends its calls; nothing more is to be done about it, least of all crash.
    request.on("error", ignore);
    response.on("error", ignore);
    const target = readTarget(request);
    const handler = handlers.get(target.path);
    const call = options.connections.begin(request, response, streamsOf(handler));
    // The connection has been given up for this call, or for one that was read together with it.
    if (!("stream" in request) && request.socket.destroyed) return;
    if (answerCors(request, response, options.allowedOrigins)) return;
    const problem = target.hasHost
      ? problemWithQuery(request.method, target.query)
      : "no Host header, or one that names no host";
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
      if (typeof negotiated === "function") answer(handler, request, response, call, negotiated);
      else refuse(request, response, negotiated);
    }
  };
}

/** For people who come with a browser. */
const greeting = "This port serves gRPC, gRPC-Web and Connect; the services are listed by gRPC reflection.\n";

function isReading({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

function notTaken(): ConnectError {
  const notApplied = { desc: NotAppliedSchema, value: create(NotAppliedSchema) };
  return new ConnectError("this node is shutting down", Code.Unavailable, undefined, [notApplied]);
}

function answer(
  handler: UniversalHandler,
  request: Request,
  response: Response,
  call: Call,
  rewrite: Rewrite,
): void {
  const universal = universalRequestFromNodeRequest(request, response, undefined, undefined);
  rewrite(universal.header);
  clampTimeout(universal.header);
  const answering = handler({ ...universal, body: bodyOf(request, streamsOf(handler).in) });
  // All that services throw has become an answer by now: what is left is a client that went away.
  writeAnswer(answering, response, call).catch(() => response.destroy());
}

/**
 * A field that is not known is refused, as is one that is there twice: Connect's default passes over the condition that
 * is written wrong. JSON is UTF-8 (RFC 8259, 8.1); by default what is not would become U+FFFD: another key than was
 * meant.
 */
const strictJson: Partial<JsonReadOptions> & { textDecoder: TextDecoder } = {
  ignoreUnknownFields: false,
  textDecoder: new TextDecoder("utf-8", { fatal: true }),
};

/**
 * A message that cannot be parsed is the caller's error, but Connect reports INTERNAL for the binary format. Its
 * handlers abort the call's signal with the error before they write it down, in all three protocols.
 */
function blameSenderForMalformedMessages({ signal }: HandlerContext): void {
  signal.addEventListener("abort", () => {
    const error: unknown = signal.reason;
    if (error instanceof ConnectError && error.rawMessage.startsWith("parse binary: ")) {
      Object.assign(error, { code: Code.InvalidArgument });
    }
  });
}

/** Streams may last for ever: when the listener closes, their implementations are told to end. */
function endStreamsOn(closing: AbortSignal): Interceptor {
  return (next) => (request) =>
    next(request.stream ? { ...request, signal: AbortSignal.any([request.signal, closing]) } : request);
}

function streamsOf(handler: UniversalHandler | undefined): { in: boolean; out: boolean } {
  const kind = handler?.method.methodKind;
  return {
    in: kind === "client_streaming" || kind === "bidi_streaming",
    out: kind === "server_streaming" || kind === "bidi_streaming",
  };
}

function ignore(): void {}
