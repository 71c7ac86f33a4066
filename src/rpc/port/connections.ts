/** The open connections of a listener: what runs on each, and when each has to go. */

import type { Http2Session } from "node:http2";
import { constants } from "node:http2";
import type { Socket } from "node:net";
import { keepMoving } from "./bun-stall-workaround.ts";
import type { Request, Response } from "./http.ts";

export interface ConnectionLimits {
  /** A new connection has to bring a whole request head within this time. */
  readonly headTimeoutMs: number;
  /** A message that does not belong to a stream has to be sent, or its answer read, within this time. */
  readonly messageTimeoutMs: number;
  /** A connection without calls is closed after this time. */
  readonly idleTimeoutMs: number;
  /**
   * With calls under way, an HTTP/2 client is asked for a sign of life this often, and has as long to give it; while it
   * takes what it is sent, however slowly, as long as for a message.
   */
  readonly pingIntervalMs: number;
}

export interface Call {
  /** Says that the answer is there, for the client to read. */
  answered(): void;
  /** Says that a part of the answer has begun or ceased to wait for the client. */
  waited(): void;
}

interface TrackedCall extends Call {
  /** When the client must have sent its message, or read the answer; undefined while it need do neither. */
  dueAt: number | undefined;
  /** Whether the client has more to send, or would have to be there for as long as the answer lasts. */
  readonly needsClient: () => boolean;
  readonly cut: () => void;
}

interface Connection {
  readonly socket: Socket;
  session: Http2Session | undefined;
  readonly calls: Set<TrackedCall>;
  /** When it was opened, or its last call ended. */
  idleSince: number;
  /** Whether a whole request head ever came. */
  served: boolean;
  /** When the last PING was sent, and whether its answer is still due. */
  pingedAt: number;
  pingDue: boolean;
  /** When something that was sent last began or ceased to wait for the client. */
  waitedAt: number;
  /** As of the last look. */
  bytesRead: number;
  /** Whether it has been told to go. */
  retired: boolean;
}

export interface Connections {
  readonly size: number;
  /** Tells a client without calls to go, the one that came first. Returns whether there is one. */
  makeRoom(): boolean;
  /** Takes charge of an accepted socket. */
  open(socket: Socket): void;
  /** Says which HTTP/2 session runs on a socket. */
  attach(session: Http2Session, socket: Socket): void;
  /** Counts a call until its response closes. Streams may last: messages in them are due at no time. */
  begin(request: Request, response: Response, streams: { readonly in: boolean; readonly out: boolean }): Call;
  /** Tells every client to go, once its calls are done. Resolves when all have gone. */
  retire(): Promise<void>;
  /** Ends what is left at once. */
  destroy(): void;
}

/** Calls at once on one connection. HTTP/2 tells it to clients and keeps to it; HTTP/1.1 has no such word. */
export const callsMax = 1_000;

/** Longest time between two looks at the limits: how late they may be kept. */
const sweepMsMax = 1_000;

const requestTimeout = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

export function trackConnections(limits: ConnectionLimits): Connections {
  const bySocket = new Map<Socket, Connection>();
  const bySession = new WeakMap<Http2Session, Connection>();
  let retiring = false;
  let onEmpty: (() => void) | undefined;

  // One timer for all: setting and clearing one for each call would cost more than the calls' own bookkeeping.
  const sweeper = setInterval(
    () => {
      const now = performance.now();
      for (const connection of bySocket.values()) sweep(connection, now, limits);
    },
    Math.min(sweepMsMax, Math.ceil(Math.min(...Object.values(limits)) / 4)),
  );

  function end(connection: Connection, call: TrackedCall): void {
    if (!connection.calls.delete(call) || connection.calls.size > 0) return;
    connection.idleSince = performance.now();
    if (retiring) retireIdle(connection);
  }

  return {
    get size() {
      return bySocket.size;
    },

    makeRoom() {
      for (const connection of bySocket.values()) {
        if (connection.retired || connection.calls.size > 0) continue;
        retireIdle(connection);
        return true;
      }
      return false;
    },

    open(socket) {
      const now = performance.now();
      const connection: Connection = {
        socket,
        session: undefined,
        calls: new Set(),
        idleSince: now,
        served: false,
        pingedAt: now,
        pingDue: false,
        waitedAt: Number.NEGATIVE_INFINITY,
        bytesRead: 0,
        retired: false,
      };
      bySocket.set(socket, connection);
      socket.once("end", () => setImmediate(() => endHalf(connection)));
      socket.once("close", () => {
        bySocket.delete(socket);
        if (bySocket.size === 0) onEmpty?.();
      });
    },

    attach(session, socket) {
      const connection = bySocket.get(socket);
      if (connection === undefined) return;
      connection.session = session;
      bySession.set(session, connection);
    },

    begin(request, response, streams) {
      const session = "stream" in request ? request.stream.session : undefined;
      const connection = session === undefined ? bySocket.get(request.socket) : bySession.get(session);
      const inTime = () => performance.now() + limits.messageTimeoutMs;
      const call: TrackedCall = {
        dueAt: streams.in ? undefined : inTime(),
        answered() {
          if (!streams.out) call.dueAt = inTime();
        },
        waited() {
          if (connection !== undefined) connection.waitedAt = performance.now();
        },
        needsClient: () => streams.out || !request.complete,
        cut: () => cut(request),
      };
      request.once("end", () => {
        call.dueAt = undefined;
      });
      if (connection !== undefined) {
        connection.served = true;
        connection.calls.add(call);
        if (session === undefined && connection.calls.size > callsMax) connection.socket.destroy();
        response.once("close", () => end(connection, call));
        if (session !== undefined && streams.out) keepMoving(session, response);
      }
      return call;
    },

    retire() {
      retiring = true;
      return new Promise((resolve) => {
        onEmpty = resolve;
        for (const connection of bySocket.values()) {
          if (connection.calls.size === 0) retireIdle(connection);
          else connection.session?.goaway(constants.NGHTTP2_NO_ERROR);
        }
        if (bySocket.size === 0) resolve();
      });
    },

    destroy() {
      clearInterval(sweeper);
      // Not the sessions, which on Bun and Deno would tell clients that all is well: they would wait for ever.
      for (const { socket } of bySocket.values()) socket.destroy();
    },
  };
}

/** Holds one connection to its limits. */
function sweep(connection: Connection, now: number, limits: ConnectionLimits): void {
  if (connection.retired) {
    connection.socket.destroy();
  } else if (connection.calls.size === 0) {
    const limitMs = connection.served ? limits.idleTimeoutMs : limits.headTimeoutMs;
    if (now - connection.idleSince <= limitMs) return;
    if (!connection.served && connection.session === undefined) connection.socket.write(requestTimeout);
    retireIdle(connection);
  } else {
    for (const call of connection.calls) {
      if (call.dueAt !== undefined && now > call.dueAt) call.cut();
    }
    if (connection.session !== undefined) keepAlive(connection, connection.session, now, limits);
  }
}

/**
 * A client of HTTP/1.1 that has closed its side may wait for one answer (RFC 9112, 9.6), but not for a stream: that it has
 * gone altogether would not be seen until something is written. What is not whole by now never will be.
 */
function endHalf({ calls, socket }: Connection): void {
  if (socket.writableEnded) return;
  for (const call of calls) if (call.needsClient()) call.cut();
}

/** A client that vanished without a word would otherwise hold its streams for ever. */
function keepAlive(
  connection: Connection,
  session: Http2Session,
  now: number,
  limits: ConnectionLimits,
): void {
  const { bytesRead } = connection.socket;
  // Its answer to a PING may be behind a long message. (Not to be seen on Bun, where this stays 0.)
  if (bytesRead > connection.bytesRead) connection.pingedAt = now;
  connection.bytesRead = bytesRead;
  if (now - connection.pingedAt <= limits.pingIntervalMs) return;
  if (connection.pingDue) {
    // Likewise, the PING may be behind what a slow client has still to read.
    if (now - connection.waitedAt > limits.messageTimeoutMs) connection.socket.destroy();
    return;
  }
  connection.pingedAt = now;
  connection.pingDue = session.ping(() => {
    connection.pingDue = false;
  });
}

/** Tells a client without calls to go. */
function retireIdle(connection: Connection): void {
  const { session, socket } = connection;
  connection.retired = true;
  if (session !== undefined) session.close();
  else socket.end(() => socket.destroy());
}

/** Gives up on a call whose client does not do its part. */
function cut(request: Request): void {
  if ("stream" in request) request.stream.close(constants.NGHTTP2_CANCEL);
  else request.socket.destroy();
}
