import type { KeyView } from "../storage/key-view.ts";
import type { LogRecord, Position } from "../storage/model.ts";
import { previousInLog } from "./previous.ts";
import { includes, type WatchScope } from "./scope.ts";
import { type ComingEvent, nextStep, type WatchStep } from "./step.ts";

export interface WatchOptions {
  readonly scope: WatchScope;
  /** Where to begin: after this revision; now when undefined. An epoch of 0 is not known. */
  readonly after: Position | undefined;
  /** Whether events tell what was there before. */
  readonly previous: boolean;
}

/** What a watcher that does not keep up may have waiting for it; then it reads on from the log. */
export const queueBytesMax = 256 * 1024;

/** Of a change in a queue, beside its key and value. */
const overheadBytes = 200;

/** What waits for all watchers of a node together. */
export interface Queued {
  bytes: number;
}

/** A step that can be told; nothing counts as told before `take` is called. */
export interface Offer {
  readonly step: WatchStep;
  readonly bytes: number;
  take(): void;
}

/** One watch. It is `live` while it has all that is visible and is told of what comes, and reads the log otherwise. */
export class Watcher {
  readonly scope: WatchScope;
  readonly wantsPrevious: boolean;
  /** Everything up to here has been told. */
  at: Position;
  /** Events that have been told of the next record that has some. */
  #partial = 0;
  /** Monotonic. */
  toldMs: number;
  readonly #queued: Queued;
  #queue: ComingEvent[] = [];
  #queueBytes = 0;
  #wake: (() => void) | undefined;

  constructor({ scope, previous }: WatchOptions, at: Position, nowMs: number, queued: Queued) {
    this.scope = scope;
    this.wantsPrevious = previous;
    this.at = at;
    this.toldMs = nowMs;
    this.#queued = queued;
  }

  /** Returns whether there was room, for this watcher; `bytesLeft` is there for all. */
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

  /** A step of what waits. */
  async offer(): Promise<Offer> {
    const queue = this.#queue;
    const { bytes, ...step } = await nextStep([...queue], this.at);
    const { events } = step;
    return {
      step,
      bytes,
      take: () => {
        this.#tell(queue, step);
        // Else it has been cleared meanwhile.
        if (queue !== this.#queue) return;
        for (const event of queue.splice(0, events.length)) this.#count(-queuedBytesOf(event));
      },
    };
  }

  /** A step of records of the log, which begin after `at`; without events when none concerns it. */
  async offerOf(records: readonly LogRecord[], store: KeyView): Promise<Offer> {
    const coming = records.flatMap(({ epoch, seq, changes }) =>
      changes
        .filter(({ key }) => includes(this.scope, key))
        .map((change) => {
          const wanted = this.wantsPrevious && change.previous > 0;
          return {
            change,
            at: { epoch, seq },
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

  /** That nothing has happened up to there. */
  offerProgress(at: Position): Offer {
    return { step: { events: [], at }, bytes: 0, take: () => this.#tell([], { events: [], at }) };
  }

  clear(): void {
    this.#queue = [];
    this.#count(-this.#queueBytes);
  }

  wake(): void {
    this.#wake?.();
  }

  /** Resolves when something waits, or `wake` is called. */
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

  #tell(coming: readonly ComingEvent[], { events, at }: WatchStep): void {
    const last = coming[events.length - 1];
    const isWhole = last === undefined || coming[events.length]?.at.seq !== last.at.seq;
    let ofLast = 0;
    while (!isWhole && coming[events.length - 1 - ofLast]?.at.seq === last.at.seq) ofLast++;
    // Of a record that has been told in part before, too.
    this.#partial = isWhole ? 0 : ofLast + (ofLast === events.length ? this.#partial : 0);
    this.at = at;
  }

  #count(bytes: number): void {
    this.#queueBytes += bytes;
    this.#queued.bytes += bytes;
  }
}

function queuedBytesOf({ change }: ComingEvent): number {
  return change.key.length * 2 + change.value.length + overheadBytes;
}
