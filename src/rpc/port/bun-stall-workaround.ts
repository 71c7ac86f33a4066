/**
 * Works around a bug of Bun's HTTP/2 server (1.4): it forgets responses that wait for flow control. While one waits for
 * a slow reader, another of the same session is not continued when its window opens, until something else is sent. Nor
 * is what another has written sent, although it is said to be. A PING is enough.
 */

import type { Http2Session } from "node:http2";
import type { Writable } from "node:stream";
import type { Response } from "./http.ts";

/** What writes a response. */
type Writer = Response | Writable;

/** Time between two PINGs: at first, and when they have not helped for long because all readers are slow. */
const pauseMsMin = 5;
const pauseMsMax = 500;

interface Waiting {
  readonly responses: Set<Writer>;
  pauseMs: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

const waitingBySession = new WeakMap<Http2Session, Waiting>();

/** Keeps a response of a session moving whenever its reader allows. Must be called before the response begins. */
export function keepMoving(session: Http2Session, response: Writer): void {
  if (!("Bun" in globalThis)) return;
  const waiting = waitingOf(session);
  const write = Reflect.get(response, "write") as (...args: unknown[]) => boolean;
  Reflect.set(response, "write", (...args: unknown[]) => {
    const flushed = Reflect.apply(write, response, args);
    if (!flushed) waiting.responses.add(response);
    if (waiting.responses.size > 0) pingSoon(session, waiting);
    return flushed;
  });
  response.on("drain", () => {
    waiting.responses.delete(response);
    waiting.pauseMs = pauseMsMin;
  });
  response.once("close", () => waiting.responses.delete(response));
}

function waitingOf(session: Http2Session): Waiting {
  const known = waitingBySession.get(session);
  if (known !== undefined) return known;
  const waiting = { responses: new Set<Writer>(), pauseMs: pauseMsMin, timer: undefined };
  waitingBySession.set(session, waiting);
  return waiting;
}

function pingSoon(session: Http2Session, waiting: Waiting): void {
  // Many writes in a row must not put the PING off.
  if (waiting.timer !== undefined && waiting.pauseMs === pauseMsMin) return;
  clearTimeout(waiting.timer);
  waiting.timer = undefined;
  waiting.pauseMs = pauseMsMin;
  pingOn(session, waiting);
}

function pingOn(session: Http2Session, waiting: Waiting): void {
  if (waiting.timer !== undefined) return;
  waiting.timer = setTimeout(() => {
    waiting.timer = undefined;
    if (waiting.responses.size === 0 || session.destroyed || session.closed) return;
    session.ping(() => {});
    waiting.pauseMs = Math.min(pauseMsMax, waiting.pauseMs * 1.2);
    pingOn(session, waiting);
  }, waiting.pauseMs);
}
