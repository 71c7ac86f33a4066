import type { StoredValue } from "../storage/key-view.ts";
import type { Change, LogRecord, MoveMark, Position } from "../storage/model.ts";

/** Where keys change hands. */
export type RingMark = Extract<MoveMark, { readonly change: number }>;

/** The mark of a record that no key is changed by. */
export function ringMarkOf({ move }: LogRecord): RingMark | undefined {
  return move?.kind === "release" || move?.kind === "accept" ? move : undefined;
}

/** The value of a key before a change. `value` is undefined when compaction has removed it. */
export interface PreviousValue {
  readonly revision: number;
  readonly value: StoredValue | undefined;
}

export interface WatchEvent {
  readonly change: Change;
  readonly revision: number;
  /** Epoch of the revision. */
  readonly epoch: number;
  /** Undefined when there was no value, or the watch does not want it. */
  readonly previous: PreviousValue | undefined;
}

/** Keys that another group had before. */
export interface AcceptedKeys {
  readonly from: string;
  /** The last revision that they may have there. */
  readonly revision: number;
  /** Id of the ring change. */
  readonly change: number;
  /** A watch after this revision of the group that has them now is told of all changes here. */
  readonly after: number;
}

/** Changes that are sent together, and the position of the watch after them. */
export interface WatchStep extends StepInLog {
  /** The revision of `at`: see `KeyView.revisionOf`. */
  readonly revision: number;
  /** With the first step: the last revision of the group when the watch began. */
  readonly lastRevision?: number | undefined;
  /** Whether the group has no keys any more, and everything was sent. */
  readonly hasLeft?: boolean | undefined;
}

/** A step, as the log knows it. */
export interface StepInLog {
  /** With the first step: what was accepted before the watch begins. */
  readonly accepted?: readonly AcceptedKeys[] | undefined;
  /** Whether there was no more to send when the step was made. */
  readonly isCurrent?: boolean | undefined;
  /** None with a mark. */
  readonly events: readonly WatchEvent[];
  /** The group gives keys away from here on, or serves keys of another group. */
  readonly mark?: RingMark | undefined;
  /** Everything up to here was sent. If only a part of the last record was sent, this is before that record. */
  readonly at: Position;
}

/** An event that has not been sent yet. */
export interface ComingEvent {
  readonly change: Change;
  /** Position of its record. */
  readonly at: Position;
  readonly revision: number;
  /** Reads the value before the change. Undefined when there was none, or the watch does not want it. */
  readonly previous: (() => Promise<PreviousValue>) | undefined;
}

/** About how many bytes of keys and values one step may have. A record is not split because of this limit. */
const stepBytesMax = 256 * 1024;

/**
 * A record that is longer than this, with its previous values, is sent in several steps. The limit is the longest message
 * that gRPC clients accept by default, less some overhead and the token of about 1,000 groups, which routers add. Only a
 * single event may be longer.
 */
const recordBytesMax = 4 * 1024 * 1024 - 64 * 1024;

/** Overhead of an event in a message, and of its previous value. */
const eventOverheadBytes = 32;
const previousOverheadBytes = 24;

/** Makes one step of the first waiting events. `told`: the position of the watch before the step. */
export async function nextStep(
  coming: readonly ComingEvent[],
  told: Position,
): Promise<StepInLog & { readonly bytes: number }> {
  const events: WatchEvent[] = [];
  let bytes = 0;
  let at = told;
  for (const [index, { change, at: own, revision, previous: read }] of coming.entries()) {
    const before = coming[index - 1];
    if (before !== undefined && before.at.seq !== own.seq) {
      at = before.at;
      if (bytes + recordBytesFrom(coming, index) > stepBytesMax) break;
    }
    const previous = await read?.();
    const more = bytesOf(change) + (previous === undefined ? 0 : bytesOfPrevious(previous));
    if (events.length > 0 && bytes + more > recordBytesMax) break;
    events.push({ change, revision, epoch: own.epoch, previous });
    bytes += more;
  }
  const last = coming.at(-1);
  return { events, at: events.length === coming.length && last !== undefined ? last.at : at, bytes };
}

/** Bytes of the events of one record, without previous values. */
function recordBytesFrom(coming: readonly ComingEvent[], index: number): number {
  const seq = coming[index]?.at.seq;
  let bytes = 0;
  for (let next = index; coming[next]?.at.seq === seq; next++) {
    const event = coming[next];
    if (event === undefined) break;
    bytes += bytesOf(event.change);
  }
  return bytes;
}

function bytesOf({ key, value }: Change): number {
  return Buffer.byteLength(key) + value.length + eventOverheadBytes;
}

function bytesOfPrevious({ value }: PreviousValue): number {
  return (value?.value.length ?? 0) + previousOverheadBytes;
}
