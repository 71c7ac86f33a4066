/**
 * One HTTP/2 session to one address for all calls to it, opened when a call needs it and again when it is gone.
 *
 * In place of the manager of connect-node 2.2.0: that one ends the process with an unhandled error when a call comes
 * between the end of a session and the report of it, spins when a peer breaks off as it accepts, and waits two minutes
 * for an address that takes no connection.
 */

import * as http2 from "node:http2";
import * as net from "node:net";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";

export interface SessionOptions {
  /** How long the address may take to accept a connection. */
  readonly connectTimeoutMs: number;
  /** A peer that has been silent for so long is asked for a sign of life, before a call and under it. */
  readonly pingIntervalMs: number;
  /** A peer that then gives none for so long is taken for dead. */
  readonly pingTimeoutMs: number;
  /** A session without calls is closed after this time. */
  readonly idleTimeoutMs: number;
}

/** What connect-node takes for a `sessionManager`, and `close`. */
export interface SharedSession {
  readonly authority: string;
  /** Begins a call. Rejects only if nothing was sent of it. */
  request(method: string, path: string, headers: http2.OutgoingHttpHeaders): Promise<http2.ClientHttp2Stream>;
  /** To be told of every part of an answer: it is a sign of life. */
  notifyResponseByteRead(stream: http2.ClientHttp2Stream): void;
  /** Ends the session and the calls on it. Another call opens another. */
  close(): void;
}

interface Session {
  readonly http2: http2.ClientHttp2Session;
  readonly connected: Promise<void>;
  calls: number;
  heardAt: number;
  /** A PING under way: whether it is answered in time. */
  asking: Promise<boolean> | undefined;
  idleTimer: NodeJS.Timeout | undefined;
}

/** MB that Node lets a session hold. With the default, 10, 20 values of 2 MB at once end the session. */
const sessionMemoryMb = 1_024;

/**
 * Calls at once; more wait. The listener allows 1,000: Node and Deno queue by themselves what is more than the peer
 * allows, but Bun's client sends it, and Bun's server then ends the session with all calls on it.
 */
const callsMax = 900;

/** A peer may go just when a call comes; one that goes time and again is no use. */
const attemptsMax = 3;

/** Shares a session to `authority`: scheme, host and port, as in the `origin` of a URL. */
export function shareSession(authority: string, options: SessionOptions): SharedSession {
  let current: Session | undefined;
  let calls = 0;
  const waiting: (() => void)[] = [];
  const open = new Map<http2.Http2Session, Session>();

  function start(): Session {
    const session = connect(authority, options);
    open.set(session.http2, session);
    const leave = () => {
      if (current === session) current = undefined;
    };
    session.http2.once("goaway", leave);
    session.http2.once("close", () => {
      leave();
      open.delete(session.http2);
    });
    return session;
  }

  async function ready(): Promise<Session> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      current ??= start();
      const session = current;
      await session.connected;
      const heard = performance.now() - session.heardAt <= options.pingIntervalMs;
      if ((heard || (await isAlive(session, options))) && isUsable(session)) return session;
      if (current === session) current = undefined;
    }
    throw new Error("the peer breaks off as soon as it has accepted");
  }

  return {
    authority,

    async request(method, path, headers) {
      if (calls >= callsMax) await new Promise<void>((resolve) => waiting.push(resolve));
      calls++;
      const done = () => {
        calls--;
        waiting.shift()?.();
      };
      try {
        const session = await ready();
        const stream = session.http2.request({ ...headers, ":method": method, ":path": path });
        countCall(session, stream, options);
        stream.once("close", done);
        return stream;
      } catch (error) {
        done();
        throw error;
      }
    },

    notifyResponseByteRead(stream) {
      const session = stream.session && open.get(stream.session);
      if (session !== undefined) session.heardAt = performance.now();
    },

    close() {
      current = undefined;
      for (const session of open.values()) end(session, "closed by this side");
    },
  };
}

function connect(authority: string, options: SessionOptions): Session {
  const { hostname, port } = new URL(authority);
  const host = hostname.replace(/^\[|\]$/g, "");
  const session = http2.connect(authority, {
    maxSessionMemory: sessionMemoryMb,
    createConnection: () => net.connect({ host, port: Number(port || 80), noDelay: true }),
  });
  const connected = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`it took no connection within ${options.connectTimeoutMs} ms`));
      session.destroy();
    }, options.connectTimeoutMs);
    session.once("connect", () => {
      clearTimeout(timer);
      resolve();
    });
    // For ever: an error may come at any time, and one that nobody listens for ends the process.
    session.on("error", reject);
    session.once("close", () => {
      clearTimeout(timer);
      reject(new Error("it broke off at once"));
    });
  });
  // Whoever waits for it is told.
  connected.catch(() => {});
  const shared: Session = {
    http2: session,
    connected,
    calls: 0,
    heardAt: performance.now(),
    asking: undefined,
    idleTimer: undefined,
  };
  watch(shared, options);
  return shared;
}

/** Asks for a sign of life while calls wait for a silent peer. */
function watch(session: Session, options: SessionOptions): void {
  const timer = setInterval(() => {
    const silentMs = performance.now() - session.heardAt;
    if (session.calls > 0 && silentMs > options.pingIntervalMs) void isAlive(session, options);
  }, options.pingIntervalMs / 4);
  timer.unref();
  session.http2.once("close", () => clearInterval(timer));
}

function isUsable({ http2: session }: Session): boolean {
  return !session.closed && !session.destroyed;
}

/** Whether the peer gives a sign of life in time; if not, the session ends. */
async function isAlive(session: Session, options: SessionOptions): Promise<boolean> {
  if (!isUsable(session)) return false;
  session.asking ??= new Promise<boolean>((resolve) => {
    const askedAt = performance.now();
    let timer = setTimeout(look, options.pingTimeoutMs);
    // An answer on its way to us, however long it is, is as good as that to the PING behind it.
    function look(): void {
      const leftMs = Math.max(askedAt, session.heardAt) + options.pingTimeoutMs - performance.now();
      if (leftMs > 0) {
        timer = setTimeout(look, leftMs);
      } else {
        end(session, `no sign of life within ${options.pingTimeoutMs} ms`);
        resolve(false);
      }
    }
    session.http2.ping((error) => {
      clearTimeout(timer);
      if (error === null) session.heardAt = performance.now();
      resolve(error === null);
    });
  });
  try {
    return await session.asking;
  } finally {
    session.asking = undefined;
  }
}

/** Keeps the session, and with it the process, while there are calls on it, and for a while after. */
function countCall(session: Session, stream: http2.ClientHttp2Stream, options: SessionOptions): void {
  clearTimeout(session.idleTimer);
  if (session.calls++ === 0) session.http2.ref();
  stream.once("response", () => {
    session.heardAt = performance.now();
  });
  stream.once("close", () => {
    if (--session.calls > 0) return;
    session.http2.unref();
    session.idleTimer = setTimeout(() => session.http2.close(), options.idleTimeoutMs);
    session.idleTimer.unref();
  });
}

/** With an error, and the code for it: calls that end with neither would wait for ever. */
function end(session: Session, reason: string): void {
  session.http2.destroy(new Error(reason), http2.constants.NGHTTP2_CANCEL);
}
