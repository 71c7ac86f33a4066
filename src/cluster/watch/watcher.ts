import type { Change, LogRecord, LogStore, Position, StoredValue } from "../log-store.ts";
import { includes, type WatchScope } from "./scope.ts";

/** What a key was before a change; `value` is undefined when compaction has removed it. */
export interface PreviousValue {
  readonly revision: number;
  readonly value: StoredValue | undefined;
}

export interface WatchEvent {
  readonly change: Change;
  readonly revision: number;
  /** Undefined when there was nothing, or it was not asked for. */
  readonly previous: PreviousValue | undefined;
}

/** Changes that belong together, and how far the watch has come with them. */
export interface WatchStep {
  readonly events: readonly WatchEvent[];
  /** Everything up to here has been told. */
  readonly at: Position;
}

export interface WatchOptions {
  readonly scope: WatchScope;
  /** Where to begin: after this revision; now when undefined. An epoch of 0 is not known. */
  readonly after: Position | undefined;
  /** Whether events tell what was there before. */
  readonly previous: boolean;
}

interface QueuedEvent {
  readonly change: Change;
  readonly at: Position;
  readonly previous: Promise<PreviousValue | undefined>;
}

/** What a watcher that does not keep up may have waiting for it; then it reads on from the log. */
export const queueBytesMax = 256 * 1024;

/** Of a change in a queue, beside its key and value. */
const overheadBytes = 200;

/** One watch. It is `live` while it has all that is visible and is told of what comes, and reads the log otherwise. */
export class Watcher {
  readonly scope: WatchScope;
  readonly wantsPrevious: boolean;
  /** Everything up to here has been told, or waits in the queue. */
  at: Position;
  /** Monotonic. */
  toldMs: number;
  #queue: QueuedEvent[] = [];
  #queueBytes = 0;
  #wake: (() => void) | undefined;

  constructor({ scope, previous }: WatchOptions, at: Position, nowMs: number) {
    this.scope = scope;
    this.wantsPrevious = previous;
    this.at = at;
    this.toldMs = nowMs;
  }

  /** Returns whether there was room. */
  push(event: QueuedEvent): boolean {
    this.#queueBytes += event.change.key.length * 2 + event.change.value.length + overheadBytes;
    if (this.#queueBytes > queueBytesMax) return false;
    this.#queue.push(event);
    this.wake();
    return true;
  }

  /** Takes what waits; undefined when nothing does. */
  take(): Promise<WatchStep> | undefined {
    const queue = this.#queue;
    const last = queue.at(-1);
    if (last === undefined) return undefined;
    this.clear();
    this.at = last.at;
    return stepOf(queue, last.at);
  }

  clear(): void {
    this.#queue = [];
    this.#queueBytes = 0;
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

  /** The events of records of the log. */
  async eventsOf(records: readonly LogRecord[], store: LogStore): Promise<WatchEvent[]> {
    const events: WatchEvent[] = [];
    for (const { seq, changes } of records) {
      for (const change of changes) {
        if (!includes(this.scope, change.key)) continue;
        const previous = this.wantsPrevious ? await previousInLog(store, change) : undefined;
        events.push({ change, revision: seq, previous });
      }
    }
    return events;
  }
}

async function stepOf(queue: readonly QueuedEvent[], at: Position): Promise<WatchStep> {
  const events: WatchEvent[] = [];
  for (const { change, at, previous } of queue) {
    events.push({ change, revision: at.seq, previous: await previous });
  }
  return { events, at };
}

/** What a change replaces, before it is visible: the value is still there. */
export async function previousNow(store: LogStore, change: Change): Promise<PreviousValue | undefined> {
  const { key, previous: revision } = change;
  if (revision === 0) return undefined;
  try {
    const value = await store.get(key);
    return { revision, value: value?.revision === revision ? value : undefined };
  } catch {
    return { revision, value: undefined };
  }
}

/** What a change has replaced some time ago, if the log still has it. */
async function previousInLog(store: LogStore, change: Change): Promise<PreviousValue | undefined> {
  const { key, previous: revision } = change;
  if (revision === 0) return undefined;
  const [record] = revision > store.base.seq ? ((await store.read(revision - 1, 1)) ?? []) : [];
  const before = record?.changes.find((candidate) => candidate.key === key);
  if (before === undefined) return { revision, value: undefined };
  const { value, text, expiresMs } = before;
  return { revision, value: { value, text, expiresMs, revision } };
}
