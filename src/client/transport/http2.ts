/**
 * The calling side: HTTP/2 sessions to other nodes, shared by the calls to the same address.
 *
 * The protocol is Connect: on all three runtimes a unary call costs a half of what it does in gRPC, having neither
 * envelope nor trailers, and no answer that breaks off can pass for a whole one, since its length goes ahead of it.
 */

import { type ClientHttp2Stream, constants } from "node:http2";
import { PassThrough } from "node:stream";
import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { createNodeHttpClient } from "@connectrpc/connect-node";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { timerMsMax } from "../../common/clock.ts";
import { type Begun, poolSessions, type SessionPool } from "./session-pool.ts";

/** Calls may stream both ways, and any number of them share a connection. */
export const fullDuplex = true;

/** Of the URLs that it can call. */
export const schemes = ["http"];

export interface TransportOptions {
  /** Limit of one message, read or written. Default 8 MiB, as the listener's. */
  readonly messageBytesMax?: number;
  /** How long an address may take to accept a connection. Default 3,000. */
  readonly connectTimeoutMs?: number;
  /** A peer that sends nothing while calls wait for it is pinged this often. Default 5,000. */
  readonly pingIntervalMs?: number;
  /** A peer that does not answer a ping for so long, and sends nothing else, is taken for dead, and its calls fail. Default 3,000. */
  readonly pingTimeoutMs?: number;
  /** A session without calls is closed after this time. Default 60,000: the listener waits longer. */
  readonly idleTimeoutMs?: number;
  /** Addresses to keep sessions for; the one not used for longest is forgotten. Default 256. */
  readonly sessionsMax?: number;
}

export interface Transports {
  /**
   * The transport to `host:port` or a URL, always the same while it is in use.
   *
   * Where the peer has not answered, the error is UNAVAILABLE, or that of the caller who gave up; with a NotApplied
   * detail when the peer certainly has not looked at the call, and without one when it had been sent.
   */
  transportTo(address: string | URL): Transport;
  /** Ends every session, and the calls on it. */
  close(): void;
}

interface Entry {
  readonly transport: Transport;
  readonly pool: SessionPool;
}

export function createTransports(options: TransportOptions = {}): Transports {
  const { sessionsMax = 256 } = options;
  const entries = new Map<string, Entry>();
  return {
    transportTo(address) {
      const baseUrl = urlOf(address);
      const entry = entries.get(baseUrl) ?? open(baseUrl, options);
      // A Map keeps the order of insertion: the first is the one not used for longest.
      entries.delete(baseUrl);
      entries.set(baseUrl, entry);
      // A forgotten session ends by itself once it is idle; calls on it are not disturbed.
      for (const oldest of entries.keys()) {
        if (entries.size <= sessionsMax) break;
        entries.delete(oldest);
      }
      return entry.transport;
    },
    close() {
      for (const { pool } of entries.values()) pool.close();
      entries.clear();
    },
  };
}

function urlOf(address: string | URL): string {
  const text = String(address);
  return new URL(text.includes("://") ? text : `http://${text}`).href;
}

function open(baseUrl: string, options: TransportOptions): Entry {
  const pool = poolSessions(new URL(baseUrl).origin, {
    connectTimeoutMs: options.connectTimeoutMs ?? 3_000,
    pingIntervalMs: options.pingIntervalMs ?? 5_000,
    pingTimeoutMs: options.pingTimeoutMs ?? 3_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
  });
  const messageBytesMax = options.messageBytesMax ?? 8 * 1_024 * 1_024;
  const settings = {
    baseUrl,
    useBinaryFormat: true,
    interceptors: [],
    // Between nodes compressing costs more than it saves.
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
    readMaxBytes: messageBytesMax,
    writeMaxBytes: messageBytesMax,
  };
  /** One for each call: what a library says of its end does not tell whether the call was ever sent. */
  const transportOf = (sending: Sending) =>
    createTransport({ ...settings, httpClient: clientOf(pool, sending) });
  const transport: Transport = {
    async unary(method, signal, timeoutMs, ...rest) {
      const sending: Sending = { begun: undefined };
      try {
        return await transportOf(sending).unary(method, signal, clamped(timeoutMs), ...rest);
      } catch (reason) {
        throw errorOf(reason, sending, pool.authority, signal);
      }
    },
    async stream(method, signal, timeoutMs, ...rest) {
      const sending: Sending = { begun: undefined };
      try {
        const response = await transportOf(sending).stream(method, signal, clamped(timeoutMs), ...rest);
        return { ...response, message: telling(response.message, sending, pool.authority, signal) };
      } catch (reason) {
        throw errorOf(reason, sending, pool.authority, signal);
      }
    },
  };
  return { transport, pool };
}

/** With a longer time-out than a timer can count, a call would be over at once. */
function clamped(timeoutMs: number | undefined): number | undefined {
  return timeoutMs === undefined ? undefined : Math.min(timeoutMs, timerMsMax);
}

/** How far one call has come. */
interface Sending {
  begun: Begun | undefined;
}

function clientOf(pool: SessionPool, sending: Sending): UniversalClientFn {
  return (request) =>
    createNodeHttpClient({
      httpVersion: "2",
      sessionProvider: () => ({
        authority: pool.authority,
        async request(method, path, headers) {
          sending.begun = await pool.request(method, path, headers, request.signal);
          const { stream } = sending.begun;
          return "Deno" in globalThis ? readAhead(stream) : stream;
        },
        notifyResponseByteRead() {
          if (sending.begun !== undefined) sending.begun.session.heardAt = performance.now();
        },
      }),
    })(request);
}

/**
 * Takes what comes at once, and keeps it until it is asked for. Deno's client drops what has come but has not been read
 * when the session ends, and it ends with the last call that a peer answers before it shuts down.
 */
function readAhead(stream: ClientHttp2Stream): ClientHttp2Stream {
  const body = new PassThrough();
  body.on("error", () => {});
  stream.once("error", (error) => body.destroy(error));
  stream.once("close", () => {
    if (!stream.readableEnded) body.destroy(new Error("the answer broke off"));
  });
  stream.pipe(body);
  return Object.assign(stream, { [Symbol.asyncIterator]: () => body[Symbol.asyncIterator]() });
}

/** Whether the peer may have looked at a call. */
function mayBeSeen({ begun }: Sending): boolean {
  if (begun === undefined) return false;
  const { stream, session } = begun;
  // It says of both that it has not (RFC 9113, 6.8 and 8.7).
  const wasLeft = session.lastTaken !== undefined && stream.id !== undefined && stream.id > session.lastTaken;
  return !wasLeft && stream.rstCode !== constants.NGHTTP2_REFUSED_STREAM;
}

/** Gives errors that come from the connection, not from the peer, the form that `transportTo` promises. */
function errorOf(
  reason: unknown,
  sending: Sending,
  authority: string,
  signal: AbortSignal | undefined,
): ConnectError {
  const error = ConnectError.from(reason);
  if (error.isWireError) return error;
  const seen = mayBeSeen(sending);
  const details = seen ? [] : [{ desc: NotAppliedSchema, value: create(NotAppliedSchema) }];
  if (signal?.aborted || error.code === Code.DeadlineExceeded) {
    // Not the error itself: others may be given up for the same reason.
    return seen ? error : new ConnectError(error.rawMessage, error.code, undefined, details, error);
  }
  if (!isBreak(error)) return error;
  const what = seen ? "the connection broke before it answered" : "it cannot be reached";
  return new ConnectError(
    `${authority}: ${what}: ${error.rawMessage}`,
    Code.Unavailable,
    undefined,
    details,
    error,
  );
}

async function* telling<T>(
  messages: AsyncIterable<T>,
  sending: Sending,
  authority: string,
  signal: AbortSignal | undefined,
): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (reason) {
    throw errorOf(reason, sending, authority, signal);
  }
}

/** Among the errors that a peer has not sent, those of a broken connection; the others are limits and bugs of ours. */
function isBreak({ code, rawMessage }: ConnectError): boolean {
  switch (code) {
    case Code.Canceled:
    case Code.Aborted:
    case Code.Unavailable:
    case Code.Unknown:
    // An answer that is shorter than it promised to be.
    case Code.InvalidArgument:
      return true;
    case Code.Internal:
      return !/^(parse|serialize) /.test(rawMessage);
    default:
      return false;
  }
}
