import type * as http2 from "node:http2";
import { unlessAborted } from "../../common/unless-aborted.ts";
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

/** What to call, on a session of the pool. */
export interface PooledRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: http2.OutgoingHttpHeaders;
  readonly signal: AbortSignal | undefined;
}

/** A call that has begun. */
export interface Begun {
  readonly stream: http2.ClientHttp2Stream;
  readonly session: Session;
}

/** Sessions at a time: enough for more calls than a node accepts watches. Beyond that, calls wait. */
const sessionsMax = 32;

/** A peer may end a session just when a call comes. A peer that does so every time is of no use. */
const attemptsMax = 3;

/**
 * The HTTP/2 sessions to one address, shared by all calls to it. The pool opens a session when a call needs one, and
 * another when the open ones are full, for example of watches.
 */
export class SessionPool {
  /** Scheme, host and port, as in the `origin` of a URL. */
  readonly authority: string;
  /** Without it as `:authority`, Node and Deno leave out the brackets of an IPv6 address. */
  readonly #host: string;
  readonly #options: SessionOptions;
  /** Sessions that accept calls. */
  readonly #usable = new Set<Session>();
  /** Sessions that may have calls. */
  readonly #open = new Set<Session>();
  /** Calls that wait for room, in order of arrival. */
  readonly #waiting = new Set<() => void>();

  constructor(authority: string, options: SessionOptions) {
    this.authority = authority;
    this.#host = new URL(authority).host;
    this.#options = options;
  }

  /** Begins a call. If it rejects, also because `signal` was aborted while it waited for room or a connection, nothing was sent. */
  async request({ method, path, headers, signal }: PooledRequest): Promise<Begun> {
    for (let attempt = 0; attempt < attemptsMax; ) {
      const session = await this.#take(signal);
      try {
        if (await unlessAborted(this.#isReady(session), signal)) {
          signal?.throwIfAborted();
          const target = { ":authority": this.#host, ":method": method, ":path": path };
          const stream = session.http2.request({ ...headers, ...target });
          stream.once("response", () => {
            session.heardAt = performance.now();
          });
          stream.once("close", () => {
            if (stream.rstCode !== 0) session.resets++;
            this.#leave(session);
          });
          return { stream, session };
        }
      } catch (error) {
        this.#leave(session);
        throw error;
      }
      this.#leave(session);
      if (isUsable(session)) continue;
      this.#usable.delete(session);
      attempt++;
    }
    throw new Error("the peer breaks off as soon as it has accepted");
  }

  /** Ends all sessions, and the calls on them. A later call opens a new session. */
  close(): void {
    this.#usable.clear();
    for (const session of this.#open) end(session, "closed by this side");
  }

  /** Reserves room for one call on a session. */
  async #take(signal: AbortSignal | undefined): Promise<Session> {
    let isFirst = true;
    for (;;) {
      // Calls that already wait come first.
      if (this.#waiting.size === 0 || !isFirst) {
        const session = this.#sessionWithRoom();
        if (session !== undefined) {
          keep(session);
          if (roomOf(session) > 0) this.#wake();
          return session;
        }
      }
      isFirst = false;
      await this.#room(signal);
    }
  }

  #sessionWithRoom(): Session | undefined {
    for (const session of this.#usable) if (!isUsable(session)) this.#usable.delete(session);
    const found = [...this.#usable].find((each) => roomOf(each) > 0);
    return found ?? (this.#open.size < sessionsMax ? this.#connect() : undefined);
  }

  #connect(): Session {
    const session = connect(this.authority, this.#options);
    this.#usable.add(session);
    this.#open.add(session);
    session.http2.once("goaway", () => this.#usable.delete(session));
    session.http2.once("close", () => {
      this.#usable.delete(session);
      this.#open.delete(session);
      this.#wake();
    });
    return session;
  }

  /** Waits until there may be room. */
  #room(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#waiting.delete(onRoom);
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
      this.#waiting.add(onRoom);
    });
  }

  #wake(): void {
    const [first] = this.#waiting;
    first?.();
  }

  #leave(session: Session): void {
    leave(session, this.#options);
    this.#wake();
  }

  async #isReady(session: Session): Promise<boolean> {
    await session.connected;
    const isRecent = performance.now() - session.heardAt <= this.#options.pingIntervalMs;
    if (!isRecent && !(await isAlive(session, this.#options))) return false;
    // The peer may accept fewer calls than were reserved before its settings came.
    return isUsable(session) && roomOf(session) >= 0;
  }
}
