import { EventKind, type WatchEvent, type WatchResponse } from "../../gen/kvlab/v1/data_pb.ts";
import { type Position, type Positions, tokenOf } from "./positions.ts";
import { fromWire, type KvValue, textOf } from "./values.ts";

/** What there was before a change. */
export interface KvPrevious {
  /** Undefined when compaction has removed it. */
  readonly value: KvValue | undefined;
  readonly revision: number;
}

interface Change {
  readonly key: string;
  /** Of the change; those of one batch share it. */
  readonly revision: number;
  /** If it was asked for, and there was something. */
  readonly previous: KvPrevious | undefined;
  /**
   * Where to go on: a watch after it tells what comes after this event, of all groups. Between two events of one batch
   * it stands for the place before the batch, so that the batch is told again as a whole.
   */
  readonly token: string;
}

/** A key was put. */
export interface KvPutEvent extends Change {
  readonly type: "put";
  /** In the form in which it was put. */
  readonly value: KvValue;
  /** The value as text; bytes are taken for UTF-8. */
  text(): string;
}

/** A key was deleted, or its time was over. */
export interface KvRemoveEvent extends Change {
  readonly type: "delete" | "expire";
}

/** Nothing has happened, as far as `token` goes: it saves a later watch from looking through what is known. */
export interface KvProgress {
  readonly type: "progress";
  readonly token: string;
}

export type KvEvent = KvPutEvent | KvRemoveEvent;

/** The events of an answer of `group`; `before`: how far all groups were known before it. */
export function* eventsOf(group: string, answer: WatchResponse, before: Positions): Generator<KvEvent> {
  const { events } = answer;
  let complete = before.groups.get(group);
  for (const [index, event] of events.entries()) {
    const next = events[index + 1];
    if (next === undefined) complete = answer;
    else if (next.revision !== event.revision) complete = { revision: event.revision, epoch: 0n };
    const position = complete;
    yield eventOf(event, () => tokenOf(after(before, group, position)));
  }
}

/** All positions, with another one of a group. */
export function after(positions: Positions, group: string, position: Position | undefined): Positions {
  if (position === undefined) return positions;
  return { ...positions, groups: new Map(positions.groups).set(group, position) };
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
