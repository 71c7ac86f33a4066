/**
 * Answers the usual form of a unary call with a small part of the work: gRPC or Connect over HTTP/2, in the binary
 * format. It gives the answers that the general way (`dispatch.ts`) would give, to which it leaves all that is unusual
 * in a request; a test compares the two.
 */

import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { type Compression, compressionNegotiate } from "@connectrpc/connect/protocol";
import type { Deadlines } from "../../../common/deadlines.ts";
import { compressionIsBusy, compressions } from "../compression.ts";
import type { Call } from "../connection.ts";
import type { Connections } from "../connections.ts";
import { isHost } from "../target.ts";
import { connect, type FastProtocol, grpc } from "./protocols.ts";
import { UnaryCall } from "./unary-call.ts";
import type { UnaryMethod } from "./unary-methods.ts";

export interface FastPathOptions {
  readonly methods: ReadonlyMap<string, UnaryMethod>;
  readonly connections: Connections;
  readonly deadlines: Deadlines;
  /** Aborts when the listener closes. */
  readonly closing: AbortSignal;
  /** Answers a call in the general way, from a request of which some chunks have been read. */
  readonly goGeneralWay: (given: BegunCall) => void;
}

/** A call that has left the fast path. */
export interface BegunCall {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly protocol: FastProtocol["name"];
  readonly call: Call;
  readonly chunks: readonly Buffer<ArrayBuffer>[];
}

const protocols: ReadonlyMap<string | undefined, FastProtocol> = new Map([
  ["application/grpc", grpc],
  ["application/grpc+proto", grpc],
  ["application/proto", connect],
]);

/** Takes the calls that it can answer. Returns false for others, of which it has touched nothing. */
export function createFastPath(
  options: FastPathOptions,
): (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean {
  const { methods, connections, deadlines, closing, goGeneralWay } = options;
  return (stream, headers) => {
    const method = methods.get(headers[":path"] ?? "");
    const protocol = protocols.get(headers["content-type"]);
    if (method === undefined || protocol === undefined || closing.aborted) return false;
    const timeoutMs = protocol.timeoutMs(headers);
    if (timeoutMs === undefined || isUnusual(headers, protocol)) return false;
    const call = connections.beginUnary(stream);
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
  };
}

function isUnusual(headers: IncomingHttpHeaders, { encodingField }: FastProtocol): boolean {
  const { ":method": verb, ":authority": authority, origin } = headers;
  const encoding = headers[encodingField];
  return (
    verb !== "POST" ||
    origin !== undefined ||
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
