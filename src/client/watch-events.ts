import { EventKind, type WatchEvent } from "../../gen/kvlab/v1/data_pb.ts";
import type { WatchAnswer } from "./merged-watch.ts";
import { after, type Position, tokenOf } from "./positions.ts";
import { fromWire, type KvValue, textOf } from "./values.ts";

/** The value of a key before a change. */
export interface KvPrevious {
  /** Undefined when compaction has removed the value. */
  readonly value: KvValue | undefined;
  readonly revision: number;
}

interface Change {
  readonly key: string;
  /** Revision of the change. All changes of a batch have the same one. */
  readonly revision: number;
  /** The value before the change. Undefined unless the watch asked for it and the key existed. */
  readonly previous: KvPrevious | undefined;
  /**
   * Where to continue: a watch after this token gets everything after this event, of all groups. Within a batch, the
   * token of every event but the last is the position before the batch, so such a watch gets the whole batch again. A token
   * of a watch of one key is only for watches of that key.
   */
  readonly token: string;
}

/** A key was put. */
export interface KvPutEvent extends Change {
  readonly type: "put";
  /** The value, in the form in which it was put. */
  readonly value: KvValue;
  /** The value as text. Bytes are decoded as UTF-8. */
  text(): string;
}

/** A key was deleted, or it expired. */
export interface KvRemoveEvent extends Change {
  readonly type: "delete" | "expire";
}

/** There are no more changes up to `token`. A later watch after it need not read the log up to there again. */
export interface KvProgress {
  readonly type: "progress";
  readonly token: string;
}

export type KvEvent = KvPutEvent | KvRemoveEvent;

/** The events of an answer. */
export function* eventsOf({ group, answer, before, positions }: WatchAnswer): Generator<KvEvent> {
  const { events } = answer;
  const place = positions.groups.get(group);
  let complete = before.groups.get(group);
  for (const [index, event] of events.entries()) {
    const next = events[index + 1];
    if (next === undefined) complete = place;
    else if (next.revision !== event.revision) complete = placeAt(event, place);
    const position = complete;
    yield eventOf(event, () => tokenOf(after(before, group, position)));
  }
}

/** The place of an event. It knows what the place after the answer knows of a removed group. */
function placeAt({ revision, epoch }: WatchEvent, place: Position | undefined): Position {
  return { revision, epoch, removed: place?.removed };
}

function eventOf(event: WatchEvent, token: () => string): KvEvent {
  const change = {
    key: event.key,
    revision: Number(event.revision),
    previous: previousOf(event),
    get token() {
      return token();
    },
  };
  if (event.kind !== EventKind.PUT) {
    return Object.assign(change, { type: event.kind === EventKind.EXPIRE ? "expire" : "delete" } as const);
  }
  const value = fromWire(event.value);
  return Object.assign(change, { type: "put", value, text: () => textOf(value) } as const);
}

function previousOf({ previous }: WatchEvent): KvPrevious | undefined {
  if (previous === undefined) return undefined;
  return {
    value: previous.lost ? undefined : fromWire(previous.value),
    revision: Number(previous.revision),
  };
}
