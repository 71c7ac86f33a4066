import type { StoredValue } from "../storage/key-view.ts";
import type { Change, Position } from "../storage/model.ts";

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

/** Changes that come together, and how far the watch has come with them. */
export interface WatchStep {
  readonly events: readonly WatchEvent[];
  /** Everything up to here has been told. Before the record of the last events, if more of that is to come. */
  readonly at: Position;
}

/** An event that is not told yet. */
export interface ComingEvent {
  readonly change: Change;
  /** Of its record. */
  readonly at: Position;
  /** Reads what was there before; undefined when that was not asked for, or there was nothing. */
  readonly previous: (() => Promise<PreviousValue>) | undefined;
}

/** Bytes of keys and values in one step; a record is whole all the same. */
const stepBytesMax = 256 * 1024;

/**
 * A record that is longer than this, with what was there before, is told in several steps: what gRPC clients take as one
 * message by default, with room for the message itself. Only a single event may be longer.
 */
const recordBytesMax = 4 * 1024 * 1024 - 16 * 1024;

/** Of an event in a message, beside its key and values; and of a value before it. */
const eventOverheadBytes = 32;
const previousOverheadBytes = 24;

/** A step of the first of the events that come, and its length. `told`: where the watch was before. */
export async function nextStep(
  coming: readonly ComingEvent[],
  told: Position,
): Promise<WatchStep & { readonly bytes: number }> {
  const events: WatchEvent[] = [];
  let bytes = 0;
  let at = told;
  for (const [index, { change, at: own, previous: read }] of coming.entries()) {
    const before = coming[index - 1];
    if (before !== undefined && before.at.seq !== own.seq) {
      at = before.at;
      if (bytes + recordBytesFrom(coming, index) > stepBytesMax) break;
    }
    const previous = await read?.();
    const more = bytesOf(change) + (previous === undefined ? 0 : bytesOfPrevious(previous));
    if (events.length > 0 && bytes + more > recordBytesMax) break;
    events.push({ change, revision: own.seq, previous });
    bytes += more;
  }
  const last = coming.at(-1);
  return { events, at: events.length === coming.length && last !== undefined ? last.at : at, bytes };
}

/** Of the events of one record, what was there before not counted. */
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
