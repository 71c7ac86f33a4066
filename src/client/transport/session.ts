/**
 * One HTTP/2 session.
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

export interface Session {
  readonly http2: http2.ClientHttp2Session;
  readonly socket: net.Socket;
  /** Resolves when the peer has said how many calls it takes at once. */
  readonly connected: Promise<void>;
  /** Calls under way, and those that wait for it to be connected. */
  calls: number;
  /** Calls that were given up before they were answered. */
  resets: number;
  /** The last stream that the peer may have looked at, once it has said so. */
  lastTaken: number | undefined;
  heardAt: number;
  /** A PING under way: whether it is answered in time. */
  asking: Promise<boolean> | undefined;
  idleTimer: NodeJS.Timeout | undefined;
}

/** MB that Node lets a session hold. With the default, 10, 20 values of 2 MB at once end the session. */
const sessionMemoryMb = 1_024;

/**
 * Calls at once on a session, if the peer takes as many: our listener takes 1,000. What is more than the peer takes must
 * not be begun: Bun would send it, and Node would keep it where nobody knows whether it was sent.
 */
const callsMax = 900;

/**
 * Calls that a session may give up in its life. Servers end a session that does so more often, with all calls on it:
 * Node's after 1,000 in short time. What is under way may yet be given up, so both count together.
 */
const resetsMax = 900;

/** How often it is looked for a sign of life before a peer is given up: so no time counts in which this process did not run. */
const looksMax = 6;

/** Calls `giveUp` when nothing is heard for so long, unless it is cleared before. */
function unlessHeard(limitMs: number, isHeard: () => boolean, giveUp: () => void): NodeJS.Timeout {
  let looksInVain = 0;
  const timer = setInterval(() => {
    looksInVain = isHeard() ? 0 : looksInVain + 1;
    if (looksInVain < looksMax) return;
    clearInterval(timer);
    giveUp();
  }, limitMs / looksMax);
  return timer;
}

/** How many calls can be begun now. */
export function roomOf({ http2: session, calls, resets }: Session): number {
  const peersMax = session.remoteSettings?.maxConcurrentStreams ?? callsMax;
  return Math.min(callsMax, peersMax, resetsMax - resets) - calls;
}

/** Whether it will not take another call even when all have ended. */
function isWornOut({ resets }: Session): boolean {
  return resets >= resetsMax;
}

/** Connects to an authority: scheme, host and port, as in the `origin` of a URL. */
export function connect(authority: string, options: SessionOptions): Session {
  const { hostname, port } = new URL(authority);
  const host = hostname.replace(/^\[|\]$/g, "");
  const socket = net.connect({ host, port: Number(port || 80), noDelay: true });
  const session = http2.connect(authority, {
    maxSessionMemory: sessionMemoryMb,
    createConnection: () => socket,
  });
  const connected = new Promise<void>((resolve, reject) => {
    const giveUpAfter = (limitMs: number, what: string) =>
      unlessHeard(
        limitMs,
        () => false,
        () => {
          reject(new Error(`it ${what} within ${limitMs} ms`));
          session.destroy();
        },
      );
    let timer = giveUpAfter(options.connectTimeoutMs, "took no connection");
    session.once("connect", () => {
      clearInterval(timer);
      timer = giveUpAfter(options.pingIntervalMs + options.pingTimeoutMs, "said nothing");
    });
    session.once("remoteSettings", () => {
      clearInterval(timer);
      resolve();
    });
    // For ever: an error may come at any time, and one that nobody listens for ends the process.
    session.on("error", reject);
    session.once("close", () => {
      clearInterval(timer);
      reject(new Error("it broke off at once"));
    });
  });
  // Whoever waits for it is told.
  connected.catch(() => {});
  const shared: Session = {
    http2: session,
    socket,
    connected,
    calls: 0,
    resets: 0,
    lastTaken: undefined,
    heardAt: performance.now(),
    asking: undefined,
    idleTimer: undefined,
  };
  session.on("goaway", (_code, lastTaken) => {
    shared.lastTaken = lastTaken;
  });
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

export function isUsable({ http2: session, lastTaken }: Session): boolean {
  return !session.closed && !session.destroyed && lastTaken === undefined;
}

/** Whether the peer gives a sign of life in time; if not, the session ends. */
export async function isAlive(session: Session, options: SessionOptions): Promise<boolean> {
  if (!isUsable(session)) return false;
  session.asking ??= new Promise<boolean>((resolve) => {
    let { bytesRead } = session.socket;
    let heardAt = session.heardAt;
    // An answer on its way to us, however long it is, is as good as that to the PING behind it; so is what makes room
    // for a message on its way to the peer.
    const isHeard = () => {
      const heard = session.heardAt > heardAt || session.socket.bytesRead > bytesRead;
      ({ heardAt } = session);
      ({ bytesRead } = session.socket);
      return heard;
    };
    const timer = unlessHeard(options.pingTimeoutMs, isHeard, () => {
      end(session, `no sign of life within ${options.pingTimeoutMs} ms`);
      resolve(false);
    });
    session.http2.ping((error) => {
      clearInterval(timer);
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
export function keep(session: Session): void {
  clearTimeout(session.idleTimer);
  if (session.calls++ === 0) session.http2.ref();
}

/** The end of a call that was kept for. */
export function leave(session: Session, options: SessionOptions): void {
  if (--session.calls > 0) return;
  session.http2.unref();
  if (isWornOut(session)) return void session.http2.close();
  session.idleTimer = setTimeout(() => session.http2.close(), options.idleTimeoutMs);
  session.idleTimer.unref();
}

/** With an error, and the code for it: calls that end with neither would wait for ever. */
export function end(session: Session, reason: string): void {
  session.http2.destroy(new Error(reason), http2.constants.NGHTTP2_CANCEL);
}
