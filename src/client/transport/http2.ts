/**
 * The calling side: HTTP/2 sessions to other nodes, shared by all calls to the same address.
 *
 * The protocol is Connect: on all three runtimes a unary call costs a half of what it does in gRPC, having neither
 * envelope nor trailers, and no answer that breaks off can pass for a whole one, since its length goes ahead of it.
 */

import type { ClientHttp2Stream } from "node:http2";
import { PassThrough } from "node:stream";
import { create } from "@bufbuild/protobuf";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import type { SharedSession } from "./shared-session.ts";
import { shareSession } from "./shared-session.ts";

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
  /** A peer that does not answer a ping for so long is taken for dead, and its calls fail. Default 3,000. */
  readonly pingTimeoutMs?: number;
  /** A session without calls is closed after this time. Default 60,000: the listener waits longer. */
  readonly idleTimeoutMs?: number;
  /** Addresses to keep a session for; the one not used for longest is forgotten. Default 256. */
  readonly sessionsMax?: number;
}

export interface Transports {
  /**
   * The transport to `host:port` or a URL, always the same while it is in use.
   *
   * Where the peer has not answered, the error is UNAVAILABLE; with a NotApplied detail when it certainly has not
   * seen the call, and without one when the connection broke after the call had been sent.
   */
  transportTo(address: string | URL): Transport;
  /** Ends every session, and the calls on it. */
  close(): void;
}

interface Entry {
  readonly transport: Transport;
  readonly session: SharedSession;
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
      for (const { session } of entries.values()) session.close();
      entries.clear();
    },
  };
}

function urlOf(address: string | URL): string {
  const text = String(address);
  return new URL(text.includes("://") ? text : `http://${text}`).href;
}

function open(baseUrl: string, options: TransportOptions): Entry {
  const session = shareSession(new URL(baseUrl).origin, {
    connectTimeoutMs: options.connectTimeoutMs ?? 3_000,
    pingIntervalMs: options.pingIntervalMs ?? 5_000,
    pingTimeoutMs: options.pingTimeoutMs ?? 3_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
  });
  /** Errors of calls for which there was no session. */
  const unsent = new WeakSet<ConnectError>();
  const transport = createConnectTransport({
    baseUrl,
    httpVersion: "2",
    sessionManager: {
      ...session,
      async request(method, path, headers) {
        try {
          const stream = await session.request(method, path, headers);
          return "Deno" in globalThis ? readAhead(stream) : stream;
        } catch (reason) {
          // A new error: the same may have come to calls under way.
          const { rawMessage } = ConnectError.from(reason);
          const error = new ConnectError(rawMessage, Code.Unavailable, undefined, undefined, reason);
          unsent.add(error);
          throw error;
        }
      },
    },
    // Between nodes compressing costs more than it saves.
    acceptCompression: [],
    readMaxBytes: options.messageBytesMax ?? 8 * 1_024 * 1_024,
    writeMaxBytes: options.messageBytesMax ?? 8 * 1_024 * 1_024,
    interceptors: [tellingBreaks(session.authority, unsent)],
  });
  return { transport, session };
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

/** What the runtimes say of a call that the peer refused unread (RFC 9113, 8.7), or that came too late to be sent. */
const neverTaken = /REFUSED_STREAM|after receiving a GOAWAY/;

/** Gives errors that come from the connection, not from the peer, the form that `transportTo` promises. */
function tellingBreaks(authority: string, unsent: WeakSet<ConnectError>): Interceptor {
  const told = (reason: unknown, signal: AbortSignal): ConnectError => {
    const error = ConnectError.from(reason);
    if (error.isWireError || signal.aborted || !isBreak(error)) return error;
    const seen = !unsent.has(error) && !neverTaken.test(error.rawMessage);
    const what = seen ? "the connection broke before it answered" : "it cannot be reached";
    const message = `${authority}: ${what}: ${error.rawMessage}`;
    const details = seen ? [] : [{ desc: NotAppliedSchema, value: create(NotAppliedSchema) }];
    return new ConnectError(message, Code.Unavailable, undefined, details, error);
  };
  async function* telling<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
    try {
      yield* messages;
    } catch (reason) {
      throw told(reason, signal);
    }
  }
  return (next) => async (request) => {
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return { ...response, message: telling(response.message, request.signal) };
    } catch (reason) {
      throw told(reason, request.signal);
    }
  };
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
