import type { GroupState, Member } from "../../../src/cluster/metadata/model.ts";
import { epochAt, holds } from "../../../src/cluster/storage/format/history.ts";
import type { AheadStart, LogRecord, Position } from "../../../src/cluster/storage/model.ts";
import { type CommittedLog, ownRevision } from "./revisions.ts";
import { isSame, type ShadowLog } from "./shadow-log.ts";

/**
 * One history of a group: from its beginning, or from a recovery that gave up what only the replicas in sync had, to the
 * next recovery, or to the end.
 */
export interface Era extends CommittedLog {
  /** When it began, and when it ended: infinite for the last. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Its own records have this epoch or a later one. Those before them were taken over with the recovered log. */
  readonly epoch: number;
  /** Number of the replica that was recovered; undefined in the first. */
  readonly recovered: number | undefined;
  /** When a primary first took each of them for committed. */
  readonly committedMs: readonly number[];
  /** When each record of the group, named by its epoch and seq, was first added to a log. */
  readonly appendedMs: ReadonlyMap<string, number>;
}

/** What an era begins with. */
type Begin = Pick<Era, "fromMs" | "epoch" | "recovered">;

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
  /** The histories that recoveries have ended, in their order. */
  readonly past: Era[] = [];
  /** Of the present era. The array stays the same over recoveries. */
  readonly committed: (LogRecord | undefined)[] = [];
  /**
   * The epoch under which each of them was committed. Who has followed only earlier ones has not been asked for it: a
   * primary whose time is over, and does not know it, may still have such a standby cut it off.
   */
  readonly committedIn: number[] = [];
  readonly committedMs: number[] = [];
  /** By how much revisions are ahead of the committed records, since the group has accepted keys of others. */
  readonly aheads: AheadStart[] = [];
  readonly appendedMs = new Map<string, number>();
  /** Every log of an in-sync member must have this record: coordination has it. */
  floor: Position = { epoch: 0, seq: 0 };
  /** The state in which an operator was ready to give up what only the replicas in sync had. */
  givenUp: GroupState | undefined;
  /** What the present era began with. */
  #begun: Begin = { fromMs: 0, epoch: 0, recovered: undefined };
  readonly replicas = new Set<ShadowLog>();
  /** Which log each life of a replica was registered with, by incarnation; and how often it had been spoiled by then. */
  readonly lives = new Map<string, { readonly log: ShadowLog; readonly spoils: number }>();

  constructor(name: string) {
    this.name = name;
  }

  /** The epoch with which the present history began. */
  get firstEpoch(): number {
    return this.#begun.epoch;
  }

  /** The present history. */
  get era(): Era {
    const { committed, aheads, committedMs, appendedMs } = this;
    return { ...this.#begun, toMs: Number.POSITIVE_INFINITY, committed, aheads, committedMs, appendedMs };
  }

  /** All histories, the first one first. */
  get eras(): readonly Era[] {
    return [...this.past, this.era];
  }

  /** Whether no member of the in-sync set has a log that it can be relied on: then only an operator can help. */
  get isLost(): boolean {
    const inSync = this.state?.inSync ?? [];
    return inSync.length > 0 && inSync.every((member) => this.#isUnreliable(member));
  }

  #isUnreliable(member: Member): boolean {
    const log = this.logOf(member);
    if (log === undefined) return false;
    if (this.#hasMissed(member, log)) return true;
    const last = { epoch: epochAt(log.epochs, log.durableSeq), seq: log.durableSeq };
    return log.isSpoiled || !holds({ epochs: log.epochs, last }, this.floor);
  }

  /** Whether the named life of a log is over before the log knew of it, as of a node that ends just after a recovery. */
  #hasMissed({ incarnation }: Member, log: ShadowLog): boolean {
    if (log.life >= BigInt(incarnation)) return false;
    return [...this.lives].some(([other, life]) => life.log === log && BigInt(other) > BigInt(incarnation));
  }

  /**
   * An operator has given up what only the replicas in sync had: the history begins anew with what the recovered log
   * has of it. What else is in that log will be committed with the new epoch.
   */
  beginEra(log: ShadowLog, { epoch, recovered, fromMs }: Begin): void {
    const { committed, committedMs, committedIn, aheads } = this;
    const copies = { committed: [...committed], committedMs: [...committedMs], aheads: [...aheads] };
    this.past.push({ ...this.era, toMs: fromMs, ...copies });
    this.#begun = { fromMs, epoch, recovered };
    const keptSeq = agreedSeq(committed, log);
    for (const facts of [committed, committedMs, committedIn]) facts.length = Math.min(facts.length, keptSeq);
    aheads.splice(aheads.filter(({ firstSeq }) => firstSeq <= keptSeq).length);
    for (const replica of this.replicas) replica.checkedSeq = Math.min(replica.checkedSeq, keptSeq);
    const keptRevision = ownRevision(this, keptSeq);
    for (const [request, revision] of this.answered)
      if (revision > keptRevision) this.answered.delete(request);
  }

  /** Notes what the record at `seq`, which is committed for the first time, does to revisions. */
  raise({ seq, move }: LogRecord): void {
    if (move?.kind !== "accept") return;
    const ahead = Math.max(move.ahead, this.aheads.at(-1)?.ahead ?? 0);
    if (ahead > (this.aheads.at(-1)?.ahead ?? 0)) this.aheads.push({ firstSeq: seq, ahead });
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

/** Up to which record a log has the same as the committed one. */
function agreedSeq(committed: readonly (LogRecord | undefined)[], log: ShadowLog): number {
  for (let seq = Math.min(committed.length, log.durableSeq); seq > 0; seq--) {
    const record = committed[seq - 1];
    if (record === undefined) continue;
    const isCopied = seq <= log.copiedSeq && epochAt(log.epochs, seq) === record.epoch;
    if (isCopied || isSame(log.records.get(seq), record)) return seq;
  }
  return 0;
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
