import { invariant } from "../../common/invariant.ts";
import type { KeyView } from "../storage/key-view.ts";
import type { LogRecord, Position } from "../storage/model.ts";
import { previousInLog } from "./previous.ts";
import { includes, type WatchScope } from "./scope.ts";
import { type ComingEvent, nextStep, type RingMark, type StepInLog } from "./step.ts";

export interface WatchOptions {
  readonly scope: WatchScope;
  /** Where the watch begins. Undefined: now. */
  readonly after: WatchToken | BeforeAccept | Now | undefined;
  /** Whether events include the previous value. */
  readonly previous: boolean;
}

/** A watch can begin after this revision of the group. Epoch 0: not known. */
export interface WatchToken {
  readonly epoch: number;
  readonly revision: number;
}

/**
 * A watch of keys that come from other groups can begin before the first of them were accepted in this ring change or a
 * later one.
 */
export interface BeforeAccept {
  readonly change: number;
}

/** A watch from now on, which tells first from which groups keys were accepted in this ring change or a later one. */
export interface Now {
  readonly acceptedSince: number;
}

/** Bytes that may wait for one watcher. A watcher that falls further behind reads the log instead. */
export const queueBytesMax = 256 * 1024;

/** Memory of a queued change, without its key and value. */
const overheadBytes = 200;

/** Bytes that wait for all watchers of a node together. */
export interface Queued {
  bytes: number;
}

/** A step that can be sent. It counts as sent only when `take` is called. */
export interface Offer {
  readonly step: StepInLog;
  readonly bytes: number;
  take(): void;
}

/**
 * One watch. It is live while it has everything that is visible. Then the hub gives it each new record. Otherwise it is
 * behind, and reads the log.
 */
export class Watcher {
  readonly scope: WatchScope;
  readonly wantsPrevious: boolean;
  /** Everything up to here was sent. */
  at: Position;
  /** Number of events of the next record that were already sent. */
  #partial = 0;
  /** When it was last told something. Monotonic. */
  #toldMs: number;
  /** Up to where it knows that it was told everything. */
  #toldSeq: number;
  readonly #queued: Queued;
  #queue: ComingEvent[] = [];
  #queueBytes = 0;
  #wake: (() => void) | undefined;

  constructor({ scope, previous }: WatchOptions, at: Position, nowMs: number, queued: Queued) {
    this.scope = scope;
    this.wantsPrevious = previous;
    this.at = at;
    this.#toldMs = nowMs;
    this.#toldSeq = at.seq;
    this.#queued = queued;
  }

  get toldMs(): number {
    return this.#toldMs;
  }

  /** Whether everything up to `at` was sent, and it does not know that yet, as nothing of it was in scope. */
  get isUntold(): boolean {
    return this.#toldSeq < this.at.seq;
  }

  /** Notes that it was sent a step that tells how far it has come. */
  told(nowMs: number): void {
    this.#toldMs = nowMs;
    this.#toldSeq = this.at.seq;
  }

  /** Queues an event. False when there is no room in this queue, or in `bytesLeft`, which all watchers share. */
  push(event: ComingEvent, bytesLeft: number): boolean {
    const bytes = queuedBytesOf(event);
    if (this.#queueBytes + bytes > queueBytesMax || bytes > bytesLeft) return false;
    this.#count(bytes);
    this.#queue.push(event);
    this.wake();
    return true;
  }

  get hasQueued(): boolean {
    return this.#queue.length > 0;
  }

  /** A step of the queued events. */
  async offer(): Promise<Offer> {
    const queue = this.#queue;
    const { bytes, ...step } = await nextStep([...queue], this.at);
    const { events } = step;
    return {
      step,
      bytes,
      take: () => {
        this.#tell(queue, step);
        // Another queue: this one was cleared meanwhile.
        if (queue !== this.#queue) return;
        for (const event of queue.splice(0, events.length)) this.#count(-queuedBytesOf(event));
      },
    };
  }

  /** A step of records of the log after `at`. Without events when no key is in scope. */
  async offerOf(records: readonly LogRecord[], store: KeyView): Promise<Offer> {
    const coming = records.filter(hasEvents).flatMap(({ epoch, seq, changes }) =>
      changes
        .filter(({ key }) => includes(this.scope, key))
        .map((change) => {
          const wanted = this.wantsPrevious && change.previous > 0;
          return {
            change,
            at: { epoch, seq },
            revision: store.revisionOf(seq),
            previous: wanted ? () => previousInLog(store, change) : undefined,
          };
        }),
    );
    const left = coming.slice(this.#partial);
    const { bytes, ...cut } = await nextStep(left, this.at);
    const last = records.at(-1);
    const isAll = cut.events.length === left.length && last !== undefined;
    const step = isAll ? { events: cut.events, at: { epoch: last.epoch, seq: last.seq } } : cut;
    return { step, bytes, take: () => this.#tell(left, step) };
  }

  /** A step that tells a mark. Everything before it was sent. */
  offerMark(mark: RingMark, at: Position): Offer {
    const step = { events: [], at, mark };
    return { step, bytes: 0, take: () => this.#tell([], step) };
  }

  /** Nothing in scope has changed up to `at` that was not sent. */
  skip(at: Position): void {
    if (!this.hasQueued) this.at = at;
  }

  /** A step without events, because nothing in scope has changed up to `at`. */
  offerProgress(at: Position, isCurrent: boolean): Offer {
    const step = { events: [], at, isCurrent };
    return { step, bytes: 0, take: () => this.#tell([], step) };
  }

  clear(): void {
    this.#queue = [];
    this.#count(-this.#queueBytes);
  }

  wake(): void {
    this.#wake?.();
  }

  /** Resolves when an event waits, or `wake` is called. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#wake = undefined;
        resolve();
      };
      if (this.#queue.length > 0) done();
      else this.#wake = done;
    });
  }

  #tell(coming: readonly ComingEvent[], { events, at }: StepInLog): void {
    const before = this.at.seq;
    const first = events.length === 0 ? undefined : coming[0]?.at.seq;
    invariant(at.seq >= before, () => `the position of a watch falls from ${before} to ${at.seq}`);
    invariant(
      first === undefined || first > before,
      () => `record ${first} is told to a watch again, after ${before}`,
    );
    const last = coming[events.length - 1];
    const isWhole = last === undefined || coming[events.length]?.at.seq !== last.at.seq;
    let ofLast = 0;
    while (!isWhole && coming[events.length - 1 - ofLast]?.at.seq === last.at.seq) ofLast++;
    // Includes the parts of the same record that earlier steps have sent.
    this.#partial = isWhole ? 0 : ofLast + (ofLast === events.length ? this.#partial : 0);
    this.at = at;
  }

  #count(bytes: number): void {
    this.#queueBytes += bytes;
    this.#queued.bytes += bytes;
  }
}

/** Keys that come to a group, and those that it gives away, are no changes of them. */
export function hasEvents({ move }: LogRecord): boolean {
  return move === undefined;
}

function queuedBytesOf({ change }: ComingEvent): number {
  return change.key.length * 2 + change.value.length + overheadBytes;
}
