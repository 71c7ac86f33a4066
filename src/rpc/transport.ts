/**
 * The calling side: HTTP/2 sessions to other nodes, shared by all calls to the same address.
 *
 * The protocol is Connect: on all three runtimes a unary call costs a half of what it does in gRPC, having neither
 * envelope nor trailers, and no answer that breaks off can pass for a whole one, since its length goes ahead of it.
 */

import type { ClientHttp2Session, ClientHttp2Stream, Http2Session } from "node:http2";
import * as net from "node:net";
import { PassThrough } from "node:stream";
import { create } from "@bufbuild/protobuf";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { NotAppliedSchema } from "../../gen/kvlab/v1/errors_pb.ts";

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
  readonly sessions: Http2SessionManager;
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
      for (const { sessions } of entries.values()) sessions.abort();
      entries.clear();
    },
  };
}

function urlOf(address: string | URL): string {
  const text = String(address);
  return new URL(text.includes("://") ? text : `http://${text}`).href;
}

function open(baseUrl: string, options: TransportOptions): Entry {
  const sessions = new Http2SessionManager(
    baseUrl,
    {
      pingIntervalMs: options.pingIntervalMs ?? 5_000,
      pingTimeoutMs: options.pingTimeoutMs ?? 3_000,
      idleConnectionTimeoutMs: options.idleTimeoutMs ?? 60_000,
    },
    {
      // As the listener's: with Node's default, 20 values of 2 MB at once end the session.
      maxSessionMemory: 1_024,
      createConnection: (authority) => dial(authority, options.connectTimeoutMs ?? 3_000),
    },
  );
  refuseDeadSessions(sessions);
  /** Errors of calls for which there was no session. */
  const unsent = new WeakSet<ConnectError>();
  const guarded = new WeakSet<Http2Session>();
  const transport = createConnectTransport({
    baseUrl,
    httpVersion: "2",
    sessionManager: {
      authority: sessions.authority,
      async request(...call) {
        try {
          const stream = await sessions.request(...call);
          // The manager stops listening when a call finds the session destroyed, which may be before it has told of
          // its error: nobody would catch that.
          if (stream.session !== undefined && !guarded.has(stream.session)) {
            guarded.add(stream.session);
            stream.session.on("error", () => {});
          }
          return "Deno" in globalThis ? readAhead(stream) : stream;
        } catch (reason) {
          // A new error: that of a broken session may be that of calls under way on it, too.
          const { rawMessage } = ConnectError.from(reason);
          const error = new ConnectError(rawMessage, Code.Unavailable, undefined, undefined, reason);
          unsent.add(error);
          throw error;
        }
      },
      notifyResponseByteRead: (stream) => sessions.notifyResponseByteRead(stream),
    },
    // Between nodes compressing costs more than it saves.
    acceptCompression: [],
    readMaxBytes: options.messageBytesMax ?? 8 * 1_024 * 1_024,
    writeMaxBytes: options.messageBytesMax ?? 8 * 1_024 * 1_024,
    interceptors: [tellingBreaks(sessions.authority, unsent)],
  });
  return { transport, sessions };
}

/**
 * A peer that breaks off as soon as it has accepted leaves a session that is connected and destroyed in one. The
 * manager of connect-node 2.2.0 then spins for ever on a promise that has long resolved, and no timer and no other
 * call runs any more (seen on Deno). Here such a session counts as a connection that has not come about.
 */
function refuseDeadSessions(sessions: Http2SessionManager): void {
  type State = { t: string; conn: Promise<ClientHttp2Session> };
  const setState: (state: State) => void = Reflect.get(sessions, "setState");
  const alive = (session: ClientHttp2Session): ClientHttp2Session => {
    if (!session.destroyed && !session.closed) return session;
    // Its error is yet to come, and nobody else listens.
    session.on("error", () => {});
    throw new ConnectError("the peer broke off at once", Code.Unavailable);
  };
  Reflect.set(sessions, "setState", (state: State) => {
    if (state.t === "connecting") state.conn = state.conn.then(alive);
    setState.call(sessions, state);
  });
}

/** A connection that gives up when nobody takes it: by itself the system would try for two minutes. */
function dial({ hostname, port }: URL, timeoutMs: number): net.Socket {
  const host = hostname.replace(/^\[|\]$/g, "");
  const socket = net.connect({ host, port: Number(port || 80), noDelay: true });
  const timer = setTimeout(
    () => socket.destroy(new Error(`${hostname}:${port} took no connection within ${timeoutMs} ms`)),
    timeoutMs,
  );
  socket.once("connect", () => clearTimeout(timer));
  socket.once("close", () => clearTimeout(timer));
  return socket;
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
