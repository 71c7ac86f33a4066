/**
 * HTTP/2 sessions to one address for all calls to it, opened when a call needs one: another when no call fits on those
 * that there are, as when watches fill them.
 */

import type * as http2 from "node:http2";
import {
  connect,
  end,
  isAlive,
  isUsable,
  keep,
  leave,
  roomOf,
  type Session,
  type SessionOptions,
} from "./session.ts";

export interface SessionPool {
  readonly authority: string;
  /**
   * Begins a call. Rejects only if nothing was sent of it: also when `signal` is aborted while it waits for room.
   * `begun` is told on which session it is.
   */
  request(
    method: string,
    path: string,
    headers: http2.OutgoingHttpHeaders,
    signal: AbortSignal | undefined,
  ): Promise<Begun>;
  /** Ends the sessions and the calls on them. Another call opens another. */
  close(): void;
}

/** A call that was begun. */
export interface Begun {
  readonly stream: http2.ClientHttp2Stream;
  readonly session: Session;
}

/** Sessions at once: room for more calls than a node has watches. Then calls wait. */
const sessionsMax = 32;

/** A peer may go just when a call comes; one that goes time and again is no use. */
const attemptsMax = 3;

/** Shares sessions to `authority`: scheme, host and port, as in the `origin` of a URL. */
export function poolSessions(authority: string, options: SessionOptions): SessionPool {
  /** Those that take calls. */
  const usable = new Set<Session>();
  /** Those on which there may be calls. */
  const open = new Set<Session>();
  /** Told, the longest waiting first, when there may be room. */
  const waiting = new Set<() => void>();

  function start(): Session {
    const session = connect(authority, options);
    usable.add(session);
    open.add(session);
    session.http2.once("goaway", () => usable.delete(session));
    session.http2.once("close", () => {
      usable.delete(session);
      open.delete(session);
      wake();
    });
    return session;
  }

  function wake(): void {
    const [first] = waiting;
    first?.();
  }

  /** A session on which one more call can be begun; it is kept for that. */
  async function take(signal: AbortSignal | undefined): Promise<Session> {
    let isFirst = true;
    for (;;) {
      // Whoever waits already comes first.
      if (waiting.size === 0 || !isFirst) {
        for (const session of usable) if (!isUsable(session)) usable.delete(session);
        const found = [...usable].find((each) => roomOf(each) > 0);
        const session = found ?? (open.size < sessionsMax ? start() : undefined);
        if (session !== undefined) {
          keep(session);
          if (roomOf(session) > 0) wake();
          return session;
        }
      }
      isFirst = false;
      await room(signal);
    }
  }

  function room(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        waiting.delete(onRoom);
        signal?.removeEventListener("abort", onAbort);
      };
      const onRoom = () => {
        stop();
        resolve();
      };
      const onAbort = () => {
        stop();
        reject(signal?.reason);
      };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", onAbort);
      waiting.add(onRoom);
    });
  }

  function done(session: Session): void {
    leave(session, options);
    wake();
  }

  async function isReady(session: Session): Promise<boolean> {
    await session.connected;
    const heard = performance.now() - session.heardAt <= options.pingIntervalMs;
    if (!heard && !(await isAlive(session, options))) return false;
    // The peer may take fewer calls than were kept for before it said so.
    return isUsable(session) && roomOf(session) >= 0;
  }

  return {
    authority,

    async request(method, path, headers, signal) {
      for (let attempt = 0; attempt < attemptsMax; ) {
        const session = await take(signal);
        try {
          if (await isReady(session)) {
            signal?.throwIfAborted();
            // By themselves Node and Deno leave the brackets of an IPv6 address out.
            const target = { ":authority": new URL(authority).host, ":method": method, ":path": path };
            const stream = session.http2.request({ ...headers, ...target });
            stream.once("response", () => {
              session.heardAt = performance.now();
            });
            stream.once("close", () => {
              if (stream.rstCode !== 0) session.resets++;
              done(session);
            });
            return { stream, session };
          }
        } catch (error) {
          done(session);
          throw error;
        }
        done(session);
        if (isUsable(session)) continue;
        usable.delete(session);
        attempt++;
      }
      throw new Error("the peer breaks off as soon as it has accepted");
    },

    close() {
      usable.clear();
      for (const session of open) end(session, "closed by this side");
    },
  };
}
