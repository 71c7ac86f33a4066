/**
 * The calling side, over HTTP/2. Calls to the same address share sessions.
 *
 * The protocol is Connect. On all three runtimes a unary call costs half as much as in gRPC, because it has no envelope
 * and no trailers. A truncated answer cannot be mistaken for a complete one, because its length comes first.
 */

import { type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from "node:http2";
import { PassThrough } from "node:stream";
import { create, toBinary } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { createNodeHttpClient } from "@connectrpc/connect-node";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { systemClock, timerMsMax } from "../../common/clock.ts";
import { Deadlines } from "../../common/deadlines.ts";
import { parsed } from "./answers.ts";
import type { OpenDuplex } from "./duplex.ts";
import { DuplexStream } from "./duplex-stream.ts";
import { type Begun, SessionPool } from "./session-pool.ts";
import { UnaryCall } from "./unary-call.ts";

/** Calls may stream in both directions, and any number of them share a connection. */
export const fullDuplex = true;

/** Schemes of the URLs that it can call. */
export const schemes = ["http"];

export interface TransportOptions {
  /** Limit of one message, read or written. Default 8 MiB, like the listener's. */
  readonly messageBytesMax?: number;
  /** How long an address may take to accept a connection. Default 3,000. */
  readonly connectTimeoutMs?: number;
  /** How often to ping a silent peer while calls wait for it. Default 5,000. */
  readonly pingIntervalMs?: number;
  /** A peer that sends nothing for this time after a ping counts as dead, and its calls fail. Default 3,000. */
  readonly pingTimeoutMs?: number;
  /** A session without calls is closed after this time. Default 60,000. The listener waits longer. */
  readonly idleTimeoutMs?: number;
  /** Maximum number of addresses to keep sessions for. The least recently used is forgotten. Default 4,096. */
  readonly sessionsMax?: number;
}

export interface Transports {
  /**
   * The transport to `host:port` or a URL. It is the same object while it is in use.
   *
   * If the peer did not answer, the error is UNAVAILABLE, or that of the caller's deadline or signal. It has a NotApplied
   * detail if the peer certainly did not process the call.
   */
  transportTo(address: string | URL): Transport;
  /** Opens a bidirectional call to `host:port` or a URL. It costs less than the same call over `transportTo`. */
  duplexTo(address: string | URL): OpenDuplex;
  /** Ends all sessions, and the calls on them. */
  close(): void;
}

interface Entry {
  readonly transport: Transport;
  readonly openDuplex: OpenDuplex;
  readonly pool: SessionPool;
}

export function createTransports(options: TransportOptions = {}): Transports {
  const { sessionsMax = 4_096 } = options;
  const entries = new Map<string, Entry>();
  const deadlines = new Deadlines(systemClock);
  const entryOf = (address: string | URL) => {
    const baseUrl = urlOf(address);
    const entry = entries.get(baseUrl) ?? open(baseUrl, options, deadlines);
    // A Map keeps the order of insertion, so the first entry is the least recently used.
    entries.delete(baseUrl);
    entries.set(baseUrl, entry);
    // A forgotten session ends by itself once it is idle. Calls on it continue.
    for (const oldest of entries.keys()) {
      if (entries.size <= sessionsMax) break;
      entries.delete(oldest);
    }
    return entry;
  };
  return {
    transportTo: (address) => entryOf(address).transport,
    // Each call uses the entry of its time: one that is not in use is forgotten.
    duplexTo: (address) => (method, events) => entryOf(address).openDuplex(method, events),
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

function open(baseUrl: string, options: TransportOptions, deadlines: Deadlines): Entry {
  const pool = new SessionPool(new URL(baseUrl).origin, {
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
    // Between nodes, compression costs more than it saves.
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
    readMaxBytes: messageBytesMax,
    writeMaxBytes: messageBytesMax,
  };
  /** One for each call, because the library's errors do not say whether the call was sent. */
  const transportOf = (sending: Sending) =>
    createTransport({ ...settings, httpClient: clientOf(pool, sending) });
  const transport: Transport = {
    async unary(method, signal, timeoutMs, header, input) {
      const sending: Sending = { begun: undefined };
      try {
        const body = toBinary(method.input, create(method.input, input));
        const limitMs = timeoutMs !== undefined && timeoutMs > 0 ? clamped(timeoutMs) : undefined;
        const call = new UnaryCall({
          pool,
          deadlines,
          path: `/${method.parent.typeName}/${method.name}`,
          headers: { ...fieldsOf(header), ...unaryFields(body, limitMs) },
          body,
          signal,
          dueMs: performance.now() + (limitMs ?? Number.POSITIVE_INFINITY),
          messageBytesMax,
          onBegin: (begun) => {
            sending.begun = begun;
          },
        });
        const message = parsed(method.output, await call.run());
        const none = { header: new Headers(), trailer: new Headers() };
        return { stream: false, service: method.parent, method, message, ...none };
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
  const openDuplex: OpenDuplex = (method, events) =>
    new DuplexStream({
      pool,
      method,
      events,
      messageBytesMax,
      errorOf: (reason, begun) => errorOf(reason, { begun }, pool.authority, undefined),
    });
  return { transport, openDuplex, pool };
}

function fieldsOf(header: HeadersInit | undefined): OutgoingHttpHeaders {
  return header === undefined ? {} : Object.fromEntries(new Headers(header));
}

function unaryFields(body: Uint8Array, timeoutMs: number | undefined): OutgoingHttpHeaders {
  return {
    "content-type": "application/proto",
    "connect-protocol-version": "1",
    "content-length": body.length,
    ...(timeoutMs !== undefined && { "connect-timeout-ms": Math.ceil(timeoutMs) }),
  };
}

/** A call with a longer timeout than a timer can count would time out at once. */
function clamped(timeoutMs: number | undefined): number | undefined {
  return timeoutMs === undefined ? undefined : Math.min(timeoutMs, timerMsMax);
}

/** The progress of one call. */
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
          sending.begun = await pool.request({ method, path, headers, signal: request.signal });
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
 * Reads the answer as it arrives, and buffers it. When a session ends, Deno's client drops data that has arrived but was
 * not read. A session ends, for example, with the last call that a peer answers before it shuts down.
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

/** Whether the peer may have processed a call. */
function mayBeSeen({ begun }: Sending): boolean {
  if (begun === undefined) return false;
  const { stream, session } = begun;
  // Streams after the last one of a GOAWAY and refused streams were not processed (RFC 9113, 6.8 and 8.7).
  const wasLeft = session.lastTaken !== undefined && stream.id !== undefined && stream.id > session.lastTaken;
  return !wasLeft && stream.rstCode !== constants.NGHTTP2_REFUSED_STREAM;
}

/** Turns errors of the connection into those that `transportTo` promises. Errors sent by the peer stay as they are. */
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
    // A new error, because other calls may share this one.
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

/** Whether an error that the peer did not send is that of a broken connection. The others are limits and bugs of ours. */
function isBreak({ code, rawMessage }: ConnectError): boolean {
  switch (code) {
    case Code.Canceled:
    case Code.Aborted:
    case Code.Unavailable:
    case Code.Unknown:
    // An answer that is shorter than its length says.
    case Code.InvalidArgument:
      return true;
    case Code.Internal:
      return !/^(parse|serialize) /.test(rawMessage);
    default:
      return false;
  }
}
