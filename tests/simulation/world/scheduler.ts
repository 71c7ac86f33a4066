import process from "node:process";
import { setImmediate } from "node:timers";
import { Random } from "./random.ts";
import type { Trace } from "./trace.ts";

/** Every so many events the runtime gets to tell of rejections that nobody handles. */
const eventsBetweenRests = 50;

interface Event {
  readonly atMs: number;
  /** Decides between events of the same time. */
  readonly tie: number;
  readonly what: string;
  /** Undefined once it is called off. */
  run: (() => void) | undefined;
}

/** Virtual time: runs events in their order, and lets all that follows from one happen before the next. */
export class Scheduler {
  readonly #trace: Trace;
  readonly #random: Random;
  /** A binary heap: each event comes before those at 2i + 1 and 2i + 2. */
  readonly #events: Event[] = [];
  #nowMs = 0;
  #count = 0;

  constructor(seed: number, trace: Trace) {
    this.#random = new Random(`${seed} scheduler`);
    this.#trace = trace;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events so far. */
  get count(): number {
    return this.#count;
  }

  /** Runs `run` after `delayMs`. `what` names it in the trace. Returns how to call it off. */
  after(delayMs: number, what: string, run: () => void): () => void {
    const atMs = this.#nowMs + Math.max(0, delayMs);
    const event: Event = { atMs, tie: this.#random.bits(), what, run };
    this.#push(event);
    return () => {
      event.run = undefined;
    };
  }

  /**
   * Runs events until `isOver`, which is asked after each, or none is left before `endMs`. Rejects with what an event
   * throws.
   */
  async runUntil(endMs: number, isOver: () => boolean): Promise<void> {
    await settled();
    for (;;) {
      const event = this.#pop(endMs);
      if (event === undefined) break;
      this.#nowMs = event.atMs;
      this.#count++;
      this.#trace.step(event.atMs, event.what);
      event.run?.();
      await (this.#count % eventsBetweenRests === 0 ? rested() : settled());
      if (isOver()) return rested();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
    await rested();
  }

  /** The next event that has not been called off, if it is due by `endMs`. */
  #pop(endMs: number): Event | undefined {
    for (;;) {
      const first = this.#events[0];
      if (first === undefined || first.atMs > endMs) return undefined;
      const last = this.#events.pop();
      if (last !== undefined && last !== first) this.#sink(last);
      if (first.run !== undefined) return first;
    }
  }

  #push(event: Event): void {
    const events = this.#events;
    let index = events.length;
    events.push(event);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = events[above];
      if (parent === undefined || !isBefore(event, parent)) break;
      events[index] = parent;
      index = above;
    }
    events[index] = event;
  }

  /** Puts an event in the place of the first. */
  #sink(event: Event): void {
    const events = this.#events;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      let child = events[below];
      const other = events[below + 1];
      if (child !== undefined && other !== undefined && isBefore(other, child)) {
        below++;
        child = other;
      }
      if (child === undefined || !isBefore(child, event)) break;
      events[index] = child;
      index = below;
    }
    events[index] = event;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs === b.atMs ? a.tie < b.tie : a.atMs < b.atMs;
}

/** Resolves when no promise job is left to do: the runtime runs all of them before the next tick. */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/**
 * The same, but the runtime also tells of rejections that nobody handles, as it does not while ticks follow each other. This
 * costs ten times as much: the runtime asks the system for what has happened outside.
 */
function rested(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
