/**
 * One HTTP/2 session.
 *
 * It replaces the session manager of connect-node 2.2.0, which has three problems. It ends the process with an unhandled
 * error when a call comes after a session has ended but before its event. It spins when a peer closes connections as
 * soon as it accepts them. It waits two minutes for an address that accepts no connection.
 */

import * as http2 from "node:http2";
import * as net from "node:net";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";

export interface SessionOptions {
  /** How long the address may take to accept a connection. */
  readonly connectTimeoutMs: number;
  /** A peer that has been silent for this time is pinged, before a call and during calls. */
  readonly pingIntervalMs: number;
  /** A peer that stays silent for this time after a ping counts as dead. */
  readonly pingTimeoutMs: number;
  /** A session without calls is closed after this time. */
  readonly idleTimeoutMs: number;
}

export interface Session {
  readonly http2: http2.ClientHttp2Session;
  readonly socket: net.Socket;
  /** Resolves when the peer has sent its settings, with its limit of concurrent calls. */
  readonly connected: Promise<void>;
  /** Calls in flight, and calls that wait for the connection. */
  calls: number;
  /** Calls that were cancelled before their answer. */
  resets: number;
  /** After a GOAWAY: the last stream that the peer may have processed. */
  lastTaken: number | undefined;
  heardAt: number;
  /** The result of a PING in flight: whether the peer answers in time. */
  asking: Promise<boolean> | undefined;
  idleTimer: NodeJS.Timeout | undefined;
}

/** Node's memory limit of a session, in MB. With its default of 10, 20 concurrent values of 2 MB end the session. */
const sessionMemoryMb = 1_024;

/**
 * Concurrent calls on a session, if the peer accepts as many: our listener accepts 1,000. Calls beyond the peer's limit
 * must not begin. Bun would send them, and Node would queue them without telling whether they were sent.
 */
const callsMax = 900;

/**
 * Calls that a session may cancel in its lifetime. A server ends a session that cancels too many, with all calls on it.
 * Node does after 1,000 in a short time. Calls in flight may still be cancelled, so they count too.
 */
const resetsMax = 900;

/** Checks for a sign of life before a peer counts as dead. A pause of this process is then only one check. */
const looksMax = 6;

/** Calls `giveUp` when the peer has been silent for `limitMs`, unless the timer is cleared before. */
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

/** The number of calls that can begin now. */
export function roomOf({ http2: session, calls, resets }: Session): number {
  const peersMax = session.remoteSettings?.maxConcurrentStreams ?? callsMax;
  return Math.min(callsMax, peersMax, resetsMax - resets) - calls;
}

/** Whether it will never accept another call. */
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
    // This listener stays: an error may come at any time, and without a listener it would end the process.
    session.on("error", reject);
    session.once("close", () => {
      clearInterval(timer);
      reject(new Error("it broke off at once"));
    });
  });
  // Callers that wait for `connected` get the error. Without any, it must not count as unhandled.
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

/** Pings a silent peer while calls wait for it. */
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

/** Pings the peer. Resolves with whether it gives a sign of life in time. If not, the session ends. */
export async function isAlive(session: Session, options: SessionOptions): Promise<boolean> {
  if (!isUsable(session)) return false;
  session.asking ??= new Promise<boolean>((resolve) => {
    let { bytesRead } = session.socket;
    let heardAt = session.heardAt;
    // Any bytes are a sign of life: a long answer delays the PING's answer behind it, and a window update shows that the
    // peer reads a long message.
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

/** Adds a call to the session. Calls keep the session and the process alive. */
export function keep(session: Session): void {
  clearTimeout(session.idleTimer);
  if (session.calls++ === 0) session.http2.ref();
}

/** Removes a call from the session. An idle session closes after a while. */
export function leave(session: Session, options: SessionOptions): void {
  if (--session.calls > 0) return;
  session.http2.unref();
  if (isWornOut(session)) return void session.http2.close();
  session.idleTimer = setTimeout(() => session.http2.close(), options.idleTimeoutMs);
  session.idleTimer.unref();
}

/** Ends the session with an error and its code. Calls that end with neither would wait forever. */
export function end(session: Session, reason: string): void {
  session.http2.destroy(new Error(reason), http2.constants.NGHTTP2_CANCEL);
}
