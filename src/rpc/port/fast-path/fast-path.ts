/**
 * Answers the usual form of unary and bidirectional calls with a small part of the work: gRPC or Connect over HTTP/2, in
 * the binary format. It gives the answers that the general way (`dispatch.ts`) would give, to which it leaves all that is unusual
 * in a request; a test compares the two.
 */

import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { type Compression, compressionNegotiate } from "@connectrpc/connect/protocol";
import type { Deadlines } from "../../../common/deadlines.ts";
import { defaultDeadlineMs } from "../../deadline.ts";
import { compressionIsBusy, compressions } from "../compression.ts";
import type { Call } from "../connection.ts";
import type { Connections } from "../connections.ts";
import { isHost } from "../target.ts";
import { connectDuplex, type DuplexProtocol, grpcDuplex } from "./duplex-protocols.ts";
import { DuplexStream } from "./duplex-stream.ts";
import type { DuplexMethod, UnaryMethod } from "./methods.ts";
import { connect, type FastFields, grpc, type UnaryProtocol } from "./protocols.ts";
import { UnaryCall } from "./unary-call.ts";

export interface FastPathOptions {
  /** By path. */
  readonly methods: {
    readonly unary: ReadonlyMap<string, UnaryMethod>;
    readonly duplex: ReadonlyMap<string, DuplexMethod>;
  };
  readonly connections: Connections;
  readonly deadlines: Deadlines;
  /** Aborts when the listener closes. */
  readonly closing: AbortSignal;
  /** Answers a unary call in the general way, from a request of which some chunks have been read. */
  readonly goGeneralWay: (given: BegunCall) => void;
}

/** A call that has left the fast path. */
export interface BegunCall {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly protocol: FastFields["name"];
  readonly call: Call;
  readonly chunks: readonly Buffer<ArrayBuffer>[];
}

const unaryProtocols: ReadonlyMap<string | undefined, UnaryProtocol> = new Map([
  ["application/grpc", grpc],
  ["application/grpc+proto", grpc],
  ["application/proto", connect],
]);

const duplexProtocols: ReadonlyMap<string | undefined, DuplexProtocol> = new Map([
  ["application/grpc", grpcDuplex],
  ["application/grpc+proto", grpcDuplex],
  ["application/connect+proto", connectDuplex],
]);

/** Takes the calls that it can answer. Returns false for others, of which it has touched nothing. */
export function createFastPath(
  options: FastPathOptions,
): (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean {
  const { methods, closing } = options;
  return (stream, headers) => {
    if (closing.aborted) return false;
    const path = headers[":path"] ?? "";
    const unary = methods.unary.get(path);
    if (unary !== undefined) return takeUnary(options, unary, stream, headers);
    const duplex = methods.duplex.get(path);
    return duplex !== undefined && takeDuplex(options, duplex, stream, headers);
  };
}

function takeUnary(
  { connections, deadlines, goGeneralWay }: FastPathOptions,
  method: UnaryMethod,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): boolean {
  const protocol = unaryProtocols.get(headers["content-type"]);
  if (protocol === undefined || isUnusual(headers, protocol)) return false;
  const timeoutMs = timeoutIn(headers, protocol, defaultDeadlineMs);
  if (timeoutMs === undefined) return false;
  const call = connections.beginOnStream(stream, { in: false, out: false });
  new UnaryCall({
    stream,
    headers,
    method,
    protocol,
    timeoutMs,
    compression: compressionOf(headers[protocol.acceptField]),
    call,
    deadlines,
    goGeneralWay: (chunks) => goGeneralWay({ stream, headers, protocol: protocol.name, call, chunks }),
  });
  return true;
}

function takeDuplex(
  { connections, deadlines, closing }: FastPathOptions,
  method: DuplexMethod,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): boolean {
  const protocol = duplexProtocols.get(headers["content-type"]);
  if (protocol === undefined || isUnusual(headers, protocol)) return false;
  const timeoutMs = timeoutIn(headers, protocol, Number.POSITIVE_INFINITY);
  // Answers of streams are never compressed here.
  if (timeoutMs === undefined || compressionOf(headers[protocol.acceptField]) !== undefined) return false;
  const call = connections.beginOnStream(stream, { in: true, out: true });
  new DuplexStream({ stream, method, protocol, timeoutMs, call, deadlines, closing });
  return true;
}

/** Undefined if it is to be looked at more closely. */
function timeoutIn(
  headers: IncomingHttpHeaders,
  protocol: FastFields,
  otherwise: number,
): number | undefined {
  const given = headers[protocol.timeoutField];
  return given === undefined ? otherwise : protocol.timeoutMs(String(given));
}

function isUnusual(headers: IncomingHttpHeaders, { encodingField }: FastFields): boolean {
  const { ":method": verb, ":authority": authority, origin, expect } = headers;
  const encoding = headers[encodingField];
  return (
    verb !== "POST" ||
    origin !== undefined ||
    expect !== undefined ||
    (encoding !== undefined && encoding !== "identity") ||
    authority === undefined ||
    !isHost(authority)
  );
}

/** The first one that the client accepts and that there is. */
function compressionOf(accepted: string | string[] | undefined): Compression | undefined {
  if (accepted === undefined || compressionIsBusy()) return undefined;
  return compressionNegotiate([...compressions], null, String(accepted), "").response ?? undefined;
}
