import type { GroupState, Member } from "../../../src/cluster/metadata/model.ts";
import { epochAt } from "../../../src/cluster/storage/format/history.ts";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import type { ShadowLog } from "./shadow-log.ts";

/** What the group as a whole has done. */
export class GroupFacts {
  readonly name: string;
  state: GroupState | undefined;
  /** Each epoch's last state. */
  readonly states = new Map<number, GroupState>();
  /** By request id, the revision that whoever asked was told. */
  readonly answered = new Map<string, number>();
  /** Who has committed the record that begins an epoch. */
  readonly served = new Map<number, ShadowLog>();
  lastServedEpoch = 0;
  /** Every record that a primary has committed, by seq from 1; undefined where nobody knows it any more. */
  readonly committed: (LogRecord | undefined)[] = [];
  /**
   * The epoch under which each of them was committed. Who has followed only earlier ones has not been asked for it: a
   * primary whose time is over, and does not know it, may still have such a standby cut it off.
   */
  readonly committedIn: number[] = [];
  /** When a primary first took each of them for committed. */
  readonly committedMs: number[] = [];
  /** When each record, named by its epoch and seq, was first added to a log. */
  readonly appendedMs = new Map<string, number>();
  /** Every log of an in-sync member must have the record at this seq: coordination has it. */
  floorSeq = 0;
  readonly replicas = new Set<ShadowLog>();
  /** Which log each life of a replica was registered with, by incarnation; and how often it had been spoiled by then. */
  readonly lives = new Map<string, { readonly log: ShadowLog; readonly spoils: number }>();

  constructor(name: string) {
    this.name = name;
  }

  /** What whoever has followed `epoch`, or is in sync, must have kept. */
  committedBy(epoch: number, isInSync: boolean): readonly (LogRecord | undefined)[] {
    if (isInSync) return this.committed;
    const later = this.committedIn.findIndex((committedIn) => committedIn > epoch);
    return later === -1 ? this.committed : this.committed.slice(0, later);
  }

  /** The log of a member of the in-sync set. */
  logOf({ number, incarnation }: Member): ShadowLog | undefined {
    return this.lives.get(incarnation)?.log ?? this.replica(number);
  }

  isInSync({ number }: ShadowLog): boolean {
    return this.state?.inSync.some((member) => member.number === number) ?? false;
  }

  /** Of several logs with this number, as after somebody has copied one, the one that counts: that is whole, or runs. */
  replica(number: number): ShadowLog | undefined {
    const all = [...this.replicas].filter((replica) => replica.number === number);
    return all.find(({ isSpoiled }) => !isSpoiled) ?? all.find(({ store }) => store !== undefined) ?? all[0];
  }

  /** Whether a member of the in-sync set has a whole log, besides these. */
  isWholeBeside(...others: readonly ShadowLog[]): boolean {
    return (this.state?.inSync ?? []).some((member) => {
      const replica = this.logOf(member);
      return replica !== undefined && !others.includes(replica) && !replica.isSpoiled;
    });
  }
}

/** The live records of a log up to `seq`. */
export function liveAt(committed: readonly (LogRecord | undefined)[], seq: number): Map<string, LogRecord> {
  const live = new Map<string, LogRecord>();
  for (const record of committed.slice(0, seq)) {
    for (const { kind, key } of record?.changes ?? []) {
      if (record !== undefined && kind === "put") live.set(key, record);
      else live.delete(key);
    }
  }
  return live;
}

/** What stood at a place of a log that came as a copy, as those know who have the record still. */
export function copiedRecord(group: GroupFacts, { store }: ShadowLog, seq: number): LogRecord | undefined {
  const epoch = epochAt(store?.epochs ?? [], seq);
  for (const { records, origin } of group.replicas) {
    // What somebody has taken from another group or cluster tells another story.
    const record = group.replicas.has(origin) ? records.get(seq) : undefined;
    if (record?.epoch === epoch) return record;
  }
  return undefined;
}
