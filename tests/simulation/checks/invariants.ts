import { type GroupState, isSameMember } from "../../../src/cluster/metadata/model.ts";
import type { AppendRequest, AppendResponse } from "../../../src/cluster/replication/peer.ts";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import type { Change, LogRecord, Position } from "../../../src/cluster/storage/model.ts";
import type { SimProcess } from "../world/process.ts";
import { type Author, explain } from "./explain.ts";
import { copiedRecord, GroupFacts, liveAt } from "./group-facts.ts";
import { LeaseFacts } from "./lease-facts.ts";
import { recordOf, revisionAt, seqAt } from "./revisions.ts";
import type { RingFacts } from "./ring-facts.ts";
import { beginsEpoch, changeOf, isSame, isSameChange, type ShadowLog } from "./shadow-log.ts";
import { isRecovery, problemWithStep, shownStep } from "./state-step.ts";

/** Something that has happened in the protocol, at which a fault may be aimed. */
export type Moment =
  | "promotion"
  | "take-over"
  | "serving"
  | "in-sync change"
  | "catch-up"
  | "copy"
  | "cut"
  | "compaction"
  | "first write"
  | "registration"
  | "full"
  | MoveMoment;

/** The steps of a move: calls that a source takes, marks in logs, and a change of `/ring`. */
export type MoveMoment =
  | "begin"
  | "next"
  | "copied"
  | "seal"
  | "accept"
  | "release"
  | "released"
  | "done"
  | "forget";

interface Settings {
  readonly leaseMs: number;
  readonly minSync: number;
}

/** What must hold at every step. Is told of every step, and remembers the first thing that was wrong. */
export class Invariants {
  readonly groups = new Map<string, GroupFacts>();
  readonly counts: Partial<Record<Moment, number>> = {};
  onMoment: (moment: Moment, group: string) => void = () => {};
  /** Whether the ring is marked as written to, so that no group can enter any more. */
  isRingClosed = false;
  #violation: string | undefined;
  /** What is known of keys that move. Undefined where the ring does not change. */
  readonly ring: RingFacts | undefined;
  readonly #settings: Settings;
  readonly #nowMs: () => number;
  readonly #leases = new LeaseFacts();

  constructor(settings: Settings, nowMs: () => number, ring?: RingFacts) {
    this.#settings = settings;
    this.#nowMs = nowMs;
    this.ring = ring;
  }

  get violation(): string | undefined {
    return this.#violation;
  }

  violated(what: string): void {
    this.#violation ??= what;
  }

  moment(moment: Moment, group: string): void {
    this.counts[moment] = (this.counts[moment] ?? 0) + 1;
    this.onMoment(moment, group);
  }

  group(name: string): GroupFacts {
    let group = this.groups.get(name);
    if (group === undefined) {
      group = new GroupFacts(name);
      this.groups.set(name, group);
    }
    return group;
  }

  /** A process, whose role is `by`, changes the authority over a group: by one legal transition. */
  stateChanging(name: string, next: GroupState, author: string, by: Author): void {
    const before = this.group(name).state;
    if (explain(before, next, by) !== undefined) return;
    this.violated(`${author} changes group ${name} by no legal transition ${shownStep(before, next)}`);
  }

  /** The authority over a group was changed by a process, whose role is `by`. */
  stateChanged(name: string, next: GroupState, author: string, by: Author): void {
    const group = this.group(name);
    const before = group.state;
    group.state = next;
    group.states.set(next.epoch, next);
    const problem = before && problemWithStep(name, before, next, by);
    if (problem !== undefined) this.violated(problem);
    if (before !== undefined && isRecovery(before, next, by)) this.#recovering(group, before, next);
    for (const member of next.inSync) {
      const replica = group.logOf(member);
      const isNew = !before?.inSync.some((other) => isSameMember(other, member));
      // What has happened to the log since this life began is another matter: it has ended with that.
      const wasLost = replica?.isSpoiled && group.lives.get(member.incarnation)?.spoils === replica.spoils;
      if (isNew && wasLost) this.#enteringAnew(group, replica);
      if (isNew && replica?.name === author && replica.store?.condition.kind === "damaged") {
        this.violated(`${replica.name}, whose log is damaged, claims a place in sync in group ${name}`);
      }
    }
    this.#checkHeld(group, "has entered the in-sync set or stayed in it");
    this.moment(before !== undefined && next.epoch > before.epoch ? "promotion" : "in-sync change", name);
  }

  /** From now on every log of an in-sync member must have the record at `seq`. */
  floorSet(name: string, floor: Position): void {
    const group = this.group(name);
    const { seq } = floor;
    const isRaised = seq !== group.floor.seq || floor.epoch !== group.floor.epoch;
    group.floor = floor;
    if (!isRaised || seq <= group.committed.length) return;
    // The whole log of a replica that was recovered counts, before it is committed.
    const { recovered, epoch } = group.era;
    const isOfRecovery = recovered !== undefined && group.lastServedEpoch < epoch;
    if (isOfRecovery && seq <= (group.replica(recovered)?.durableSeq ?? 0)) return;
    this.violated(`the floor of group ${name} is record ${seq}, and ${group.committed.length} are committed`);
  }

  /** A log was opened, or opened again. */
  opened(replica: ShadowLog, store: LogStore): void {
    const problem = replica.opened(store);
    if (problem !== undefined) this.violated(`${replica.name}: ${problem}`);
  }

  /** Records are about to be cut off a log. */
  cutting(replica: ShadowLog, seq: number): void {
    const committed = this.#owedBy(replica);
    for (const record of replica.records.values()) {
      const known = committed[record.seq - 1];
      if (record.seq <= seq || known === undefined || !isSame(known, record)) continue;
      this.violated(`${replica.name} cuts off ${shown(record)}, which is committed`);
      break;
    }
    this.moment("cut", replica.group);
  }

  /** A log takes records to be committed up to `seq`. */
  committing(replica: ShadowLog, seq: number): void {
    const group = this.group(replica.group);
    const epoch = replica.store?.promisedEpoch ?? 0;
    // Who does not know of the recovery yet may still be told what was committed before.
    if (epoch < group.firstEpoch) return;
    const from = replica.checkedSeq + 1;
    replica.checkedSeq = Math.max(replica.checkedSeq, seq);
    for (let at = from; at <= seq; at++) {
      group.committedIn[at - 1] = Math.min(group.committedIn[at - 1] ?? epoch, epoch);
      const record = replica.records.get(at) ?? copiedRecord(group, replica, at);
      const known = group.committed[at - 1];
      if (known !== undefined) {
        if (record !== undefined && !isSame(record, known)) {
          this.violated(`${replica.name} takes ${shown(record)} for committed, and ${shown(known)} is`);
        }
      } else if (record !== undefined) this.#decide(group, replica, record);
      else if (this.ring !== undefined) this.ring.isExact = false;
    }
  }

  /** A copy is to replace a log. */
  replacing(replica: ShadowLog, baseSeq: number, records: readonly LogRecord[]): void {
    const { replicas } = this.group(replica.group);
    const committed = this.#owedBy(replica);
    const seq = Math.min(baseSeq, committed.length);
    const copied = new Map<string, LogRecord>();
    for (const record of records) {
      const known = committed[record.seq - 1];
      for (const change of record.changes) {
        copied.set(change.key, record);
        if (known === undefined || isSameChange(change, changeOf(known, change.key))) continue;
        this.violated(`the copy for ${replica.name} has ${shown(record)}, and ${shown(known)} is committed`);
      }
    }
    // A copy may have what is not committed yet: deletes do not show in it.
    const isDeleted = (key: string) =>
      [...replicas].some((other) => other.hasUncommittedEnd(key, seq, baseSeq));
    for (const [key, record] of liveAt(committed, seq)) {
      const found = copied.get(key);
      if (found === undefined ? isDeleted(key) : found.seq >= record.seq) continue;
      this.violated(`the copy for ${replica.name} lacks ${shown(record)}`);
    }
  }

  /** A primary looks a key up for a reader. */
  reading(replica: ShadowLog, process: SimProcess, key?: string): void {
    const group = this.group(replica.group);
    const elsewhere = key === undefined ? undefined : this.ring?.reading(group.name, key);
    if (elsewhere !== undefined) this.violated(`${replica.name} ${elsewhere}`);
    const epoch = replica.store?.promisedEpoch ?? 0;
    if (group.served.get(epoch) !== replica) {
      this.violated(`${replica.name} answers a read in epoch ${epoch}, whose beginning it has not committed`);
    }
    if (group.lastServedEpoch > epoch) {
      const later = group.served.get(group.lastServedEpoch);
      this.violated(
        `${replica.name} answers a read in epoch ${epoch}, after ${later?.name} has served in ${group.lastServedEpoch}`,
      );
    }
    const reader = { primary: replica, process, nowMs: this.#nowMs() };
    const problem = this.#leases.problemWithRead(reader, group.states.get(epoch), this.#settings.leaseMs);
    if (problem !== undefined) this.violated(problem);
  }

  /** A standby answers a primary. */
  answering(standby: ShadowLog, request: AppendRequest, response: AppendResponse): void {
    // Who had no room for its promise has made none.
    if (response.result === "stale-epoch" || response.result === "full") return;
    if (request.epoch < standby.promisedEpoch) {
      this.violated(
        `${standby.name} has answered epoch ${standby.promisedEpoch}, and follows epoch ${request.epoch} again`,
      );
    }
    standby.promisedEpoch = Math.max(standby.promisedEpoch, request.epoch);
    const seq = request.previous.seq + request.records.length;
    if (response.result === "ok" && request.snapshot === undefined && standby.durableSeq < seq) {
      this.violated(`${standby.name} acknowledges seq ${seq}, and has ${standby.durableSeq} on disk`);
    }
  }

  /** The answer has reached the primary. */
  answered(primary: ShadowLog, request: AppendRequest, response: AppendResponse, sentMs: number): void {
    if (response.result !== "stale-epoch") this.#leases.answered(primary, request.target, sentMs);
  }

  /** A write is acknowledged to whoever asked for it. */
  acknowledging(name: string, writes: readonly Pick<Change, "kind" | "key">[], revision: number): void {
    const group = this.group(name);
    for (const { kind, key } of writes) {
      if (!this.isRingClosed) this.violated(`${kind} ${key} is acknowledged before the ring is closed`);
      const record = this.recordOf(group, key, revision);
      // Of a repeated request: nobody may know the record any more.
      const isKnown = this.ring?.isExact ?? seqAt(group, revision) > group.committed.length;
      if (record === undefined && !isKnown) continue;
      if (changeOf(record, key)?.kind === kind) continue;
      this.violated(`${kind} ${key} is acknowledged with revision ${revision}, which is not committed`);
    }
  }

  /** The record that gave a key this revision: with changes of the ring it may be in another group. */
  recordOf(group: GroupFacts, key: string, revision: number): LogRecord | undefined {
    return this.ring === undefined ? recordOf(group, revision) : this.ring.writeOf(key, revision)?.record;
  }

  /** A router makes a replica primary that was not in sync: on an operator's word, for a group that is lost. */
  #recovering(group: GroupFacts, before: GroupState, { epoch, primary }: GroupState): void {
    const log = primary && group.logOf(primary);
    if (group.givenUp !== before) {
      this.violated(
        `node ${primary?.number}, which was not in sync, is made primary of group ${group.name}, and no operator has ` +
          "given up what is in sync",
      );
    }
    if (this.ring !== undefined) this.ring.isExact = false;
    if (log !== undefined) group.beginEra(log, { epoch, recovered: primary?.number, fromMs: this.#nowMs() });
  }

  /** A log that was lost takes a place in sync again: it must have everything again. */
  #enteringAnew(group: GroupFacts, replica: ShadowLog): void {
    const last = group.committed.at(-1);
    if (last !== undefined && !replica.holds(last)) {
      this.violated(
        `${replica.name}, whose log was lost, enters the in-sync set of group ${group.name} without ` +
          `${shown(last)}, which is committed (its log ends at ${replica.durableSeq})`,
      );
      return;
    }
    replica.isSpoiled = false;
    // It has the place of whatever else has this number.
    for (const other of group.replicas) {
      if (other !== replica && other.number === replica.number) other.spoil();
    }
  }

  /** The committed records that a replica must keep, as things stand. */
  #owedBy(replica: ShadowLog): readonly (LogRecord | undefined)[] {
    const group = this.group(replica.group);
    const counts = !replica.isSpoiled && group.isInSync(replica);
    return group.committedBy(replica.store?.promisedEpoch ?? 0, counts);
  }

  /** A primary is the first to take a record for committed. */
  #decide(group: GroupFacts, replica: ShadowLog, record: LogRecord): void {
    group.committed[record.seq - 1] = record;
    group.raise(record);
    const problem = this.ring?.committed(group.name, record, revisionAt(group, record.seq));
    if (problem !== undefined) this.violated(problem);
    // What a recovery has taken over was served before it.
    if (beginsEpoch(record) && record.epoch >= group.firstEpoch) {
      const other = group.served.get(record.epoch);
      if (other !== undefined && other !== replica) {
        this.violated(
          `${replica.name} and ${other.name} both serve epoch ${record.epoch} of group ${group.name}`,
        );
      }
      group.served.set(record.epoch, replica);
      group.lastServedEpoch = Math.max(group.lastServedEpoch, record.epoch);
      this.moment("serving", group.name);
    }
    this.#checkHeld(group, "is in sync");
    // A disk that was spoiled since may have had it.
    const holders = [...group.replicas].filter((other) => other.isSpoiled || other.holds(record)).length;
    // What earlier epochs have left is taken over whatever `minsync` asks of new writes.
    const isOwn = !beginsEpoch(record) && replica.store?.promisedEpoch === record.epoch;
    if (isOwn && holders < this.#settings.minSync) {
      this.violated(
        `${shown(record)} is committed on ${holders} disks; minsync is ${this.#settings.minSync}`,
      );
    }
  }

  /** Everything committed is on the disk of every member of the in-sync set. */
  #checkHeld(group: GroupFacts, why: string): void {
    const last = group.committed.at(-1);
    if (last === undefined) return;
    for (const member of group.state?.inSync ?? []) {
      const replica = group.logOf(member);
      if (replica === undefined || replica.isSpoiled || replica.holds(last)) continue;
      this.violated(
        `${replica.name} ${why}, and does not hold ${shown(last)}, which is committed ` +
          `(its log ends at ${replica.durableSeq})`,
      );
    }
  }
}

function shown(record: LogRecord): string {
  const { epoch, seq, changes } = record;
  const what = changes.map(({ kind, key }) => `${kind} ${key}`).join(", ");
  return `${epoch}.${seq} (${beginsEpoch(record) ? "epoch" : what})`;
}
