import { invariant } from "../../common/invariant.ts";
import type { Member } from "../metadata/model.ts";
import { OperationError } from "../metadata/operation-error.ts";
import type { Change, LogRecord, Position } from "../storage/model.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import { CommitQueue } from "./commit-queue.ts";
import { diskProblem, isFull, refusedFor } from "./disk-diagnostics.ts";
import type { InSyncSet } from "./in-sync-set.ts";
import { pendingBytesMax, type ReplicationSettings } from "./settings.ts";
import type { LeadershipTransfer } from "./transfer.ts";

/**
 * `waiting`: its epoch is not in the log yet. `beginning`: the record that begins its epoch is in the log, but not
 * committed. `serving`: it takes calls. `ended`: another primary may have taken over. The states follow each other in
 * this order; every state may end.
 */
export type PipelineState = "waiting" | "beginning" | "serving" | "ended";

export interface CommitPipelineOptions {
  readonly epoch: number;
  readonly store: ReplicaLog;
  readonly settings: ReplicationSettings;
  readonly inSync: Pick<InSyncSet, "members" | "required">;
  /** The last record that a member has acknowledged: it has everything up to there on disk. */
  readonly ackedSeq: (member: Member) => number;
  readonly transfer: Pick<LeadershipTransfer, "isUnderWay" | "wait">;
  /** Called when the log accepts no more records, or an invariant is broken: the process must end. */
  readonly onFailure: (error: unknown) => void;
  readonly log: (message: string) => void;
}

/**
 * The whole path of a write through the primary of its group, from the proposal to the acknowledgement:
 *
 * ```
 * admit → order → log → replicate → quorum → commit → acknowledge
 * ```
 *
 * 1. **Admit.** `admit` accepts a client's write or says why not: the primary is taking over or has ended, too few
 *    replicas are in sync, the disk does not respond, too many bytes wait. During a leadership transfer, writes wait
 *    before they are admitted. A write that is refused here is certainly not applied: `unavailable` or `exhausted`.
 * 2. **Order.** `propose` gives the record the next seq, in the turn of its caller, so what the caller has read from the
 *    log still holds. A record that no log can hold is refused as `invalid`.
 * 3. **Log.** In the same turn the log takes the record. It writes and syncs all waiting records together. If the disk is
 *    full, it withdraws the record and all later ones, as if they had never been ordered: `exhausted`. A write or sync
 *    that fails in another way ends the process, since nobody knows what is on the disk.
 * 4. **Replicate.** As soon as the record is in the file, each `Replicator` sends it to its standby, while this node
 *    syncs it. A standby answers when the record is on its disk.
 * 5. **Quorum.** The commit rule is `#quorumSeq`: a record counts when this node and every member that could be promoted
 *    have it on disk. A silent member is first removed from the in-sync set by compare-and-set; writes wait meanwhile.
 * 6. **Commit.** `advance` moves the commit position, and the log makes the records up to there visible to reads and
 *    watches in the same turn.
 * 7. **Acknowledge.** `committed` resolves. It rejects with `outcome-unknown` when the caller's signal is aborted
 *    first, or this primary ends: the record may still be committed by the next primary.
 *
 * The reads of a key-value state machine need no record: see `Lease.readBarrier`.
 */
export class CommitPipeline {
  readonly #options: CommitPipelineOptions;
  readonly #queue = new CommitQueue();
  #state: PipelineState = "waiting";
  /** Seq of the record that begins this epoch. */
  #epochSeq = Number.POSITIVE_INFINITY;
  #committedSeq = 0;

  constructor(options: CommitPipelineOptions) {
    this.#options = options;
  }

  get state(): PipelineState {
    return this.#state;
  }

  get committedSeq(): number {
    return this.#committedSeq;
  }

  /**
   * What a standby must have on disk to join the in-sync set: everything that is committed. A primary whose epoch is not
   * committed cannot tell what of its log has been acknowledged, so all of it counts.
   */
  get joinSeq(): number {
    return Math.max(this.#committedSeq, this.#epochSeq);
  }

  /** Why no calls are accepted now. Undefined while they are. */
  get unavailable(): string | undefined {
    if (this.#state === "serving") return undefined;
    if (this.#state === "ended") return "the primary has been replaced";
    const problem = diskProblem(this.#options.store, this.#options.settings);
    return `the new primary is still taking over${problem === undefined ? "" : `: ${problem}`}`;
  }

  /** Throws unless calls are accepted. Errors: unavailable. */
  checkServing(): void {
    const reason = this.unavailable;
    if (reason !== undefined) throw new OperationError("unavailable", reason);
  }

  /** Whether nothing may be proposed now, because of a leadership transfer. */
  get isHeld(): boolean {
    return this.#options.transfer.isUnderWay;
  }

  /** Resolves when the transfer has ended. Errors: unavailable. */
  async untilReleased(signal: AbortSignal): Promise<void> {
    await this.#options.transfer.wait(signal);
    this.checkServing();
  }

  /** Throws when a client's write must not be proposed in this turn. Errors: unavailable, exhausted. */
  admit(): void {
    const { store, settings, inSync } = this.#options;
    this.checkServing();
    // A write that waits for a hanging disk would have an unknown outcome.
    if (store.stalledMs >= settings.standbyTimeoutMs) {
      throw new OperationError("unavailable", `the primary takes no writes: ${diskProblem(store, settings)}`);
    }
    const members = inSync.members.length;
    if (members < settings.minSync) {
      const message = `${members} of at least ${settings.minSync} replicas are in sync (minsync)`;
      throw new OperationError("unavailable", message);
    }
    // Only bytes that already wait count: otherwise a long write would never be admitted among many short ones.
    const { bytes } = this.#queue;
    if (bytes >= pendingBytesMax) {
      const message = `${bytes} bytes of writes wait for their commit already; the limit is ${pendingBytesMax}`;
      throw new OperationError("exhausted", message);
    }
  }

  /**
   * Adds a record to the log, in this turn. Call it while the pipeline is serving and not held. Returns the seq of the
   * record. Errors: invalid, unavailable. After an error nothing was added.
   */
  propose(changes: readonly Change[], facts: Pick<LogRecord, "requestId" | "move"> = {}): number {
    return this.proposeAll([{ ...facts, changes }]);
  }

  /** As `propose`, for several records. Returns the seq of the last one. */
  proposeAll(contents: readonly Omit<LogRecord, keyof Position>[]): number {
    const { epoch, store } = this.#options;
    const first = store.last.seq + 1;
    const records = contents.map((content, index) => ({ ...content, epoch, seq: first + index }));
    this.#guarded(() => {
      invariant(this.#state === "serving", () => `a record is proposed while the primary is ${this.#state}`);
      invariant(!this.isHeld, "a record is proposed during a leadership transfer");
      invariant(store.promisedEpoch === epoch, () => `epoch ${store.promisedEpoch} has begun after ${epoch}`);
    });
    try {
      for (const record of records) store.check(record);
    } catch (error) {
      throw this.#refused(error);
    }
    // From here on the seqs belong to these records.
    store.append(records).then(
      () => this.advance(),
      (error) => this.#fail(error),
    );
    return store.last.seq;
  }

  /**
   * Resolves when everything up to `seq` is committed. `bytes` of the record count as pending until then.
   * Errors: outcome-unknown; exhausted (the record was withdrawn).
   */
  committed(seq: number, signal: AbortSignal, bytes = 0): Promise<void> {
    return seq <= this.#committedSeq ? Promise.resolve() : this.#queue.wait(seq, bytes, signal);
  }

  /**
   * Resolves when everything is committed that is in the log now. What comes later does not count: under steady writes there
   * is always something that is not committed yet. Nor do records that are withdrawn meanwhile. Errors: outcome-unknown.
   */
  async settled(signal: AbortSignal): Promise<void> {
    const { store } = this.#options;
    const { seq } = store.last;
    // The seqs of records that are withdrawn belong to nothing, or to later ones.
    const wanted = () => Math.min(seq, store.last.seq);
    while (this.#committedSeq < wanted()) {
      await this.committed(wanted(), signal).catch((error: unknown) => {
        if (!(error instanceof OperationError && error.code === "exhausted")) throw error;
      });
    }
  }

  /** Notes that the record `seq`, which begins the epoch, is in the log. */
  begin(seq: number): void {
    if (this.#state === "ended") return;
    const { epoch, store } = this.#options;
    this.#guarded(() => {
      invariant(this.#state === "waiting", () => `epoch ${epoch} begins while the primary is ${this.#state}`);
      invariant(store.last.epoch === epoch, () => `the log ends in epoch ${store.last.epoch}, not ${epoch}`);
    });
    this.#epochSeq = seq;
    this.#state = "beginning";
    this.advance();
  }

  /** Commits what the commit rule allows. Call it after each progress of a disk or standby and each in-sync change. */
  advance(): void {
    if (this.#state === "ended") return;
    const { required } = this.#options.inSync;
    const seq = this.#quorumSeq(required);
    if (seq < this.#epochSeq || seq <= this.#committedSeq) return;
    this.#guarded(() => this.#commit(seq, required));
  }

  /** Handles that the disk had no room for the records after `afterSeq`. It is as if they had never been proposed. */
  withdrawn(afterSeq: number, reason: Error): void {
    this.#guarded(() => {
      invariant(afterSeq >= this.#committedSeq, () => `committed records after ${afterSeq} are withdrawn`);
    });
    this.#queue.withdrawn(afterSeq, refusedFor(reason));
  }

  /** Ends the pipeline. Nothing more is committed, and waiting writes have an unknown outcome. */
  end(reason: string): void {
    this.#state = "ended";
    this.#queue.end(reason);
  }

  /** The commit rule: the last record that this node and every required member have on disk. */
  #quorumSeq(required: readonly Member[]): number {
    const { store, settings, inSync, ackedSeq } = this.#options;
    let seq = store.durable.seq;
    for (const member of required) seq = Math.min(seq, ackedSeq(member));
    // A new primary commits all records of earlier epochs. `minsync` only applies to new writes.
    return inSync.members.length < settings.minSync ? Math.min(seq, this.#epochSeq) : seq;
  }

  #commit(seq: number, required: readonly Member[]): void {
    const { epoch, store, ackedSeq, log } = this.#options;
    invariant(
      seq > this.#committedSeq,
      () => `the commit position falls from ${this.#committedSeq} to ${seq}`,
    );
    invariant(seq <= store.durable.seq, () => `record ${seq} is committed before it is on disk`);
    for (const member of required) {
      invariant(ackedSeq(member) >= seq, () => `record ${seq} is committed without node ${member.number}`);
    }
    store.commit(seq);
    this.#committedSeq = seq;
    if (this.#state === "beginning") {
      this.#state = "serving";
      log(`serving as primary of epoch ${epoch} from seq ${seq}`);
    }
    this.#queue.committed(seq);
  }

  /** The error for the writer of a record that the log has refused. Unless the record is invalid, the primary ends. */
  #refused(error: unknown): OperationError {
    if (error instanceof RangeError) return new OperationError("invalid", error.message, { cause: error });
    this.#fail(error);
    return new OperationError("unavailable", "the log takes no more records", { cause: error });
  }

  /** Runs a step that checks invariants. A broken invariant ends the process before anything more is acknowledged. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Ends the process: with a log that has lost records or accepts none, it could acknowledge records that are missing. */
  #fail(error: unknown): void {
    // After the end, another primary may have cut off records of this one. And writers already know of a full disk.
    if (this.#state === "ended" || isFull(error)) return;
    this.#options.onFailure(error);
  }
}
