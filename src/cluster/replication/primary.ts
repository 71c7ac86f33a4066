import { type Clock, sleep } from "../../common/clock.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import {
  type GroupLogs,
  type GroupState,
  isSameMember,
  type Member,
  type NodeView,
  type Versioned,
} from "../metadata/model.ts";
import { OperationError } from "../metadata/operation-error.ts";
import type { KeyView } from "../storage/key-view.ts";
import type { Change } from "../storage/model.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import { CommitQueue } from "./commit-queue.ts";
import { diskProblem, fullRetryMs, isFull, refusedFor } from "./disk-diagnostics.ts";
import { Floor } from "./floor.ts";
import { InSyncSet } from "./in-sync-set.ts";
import { type Committer, KvStateMachine } from "./kv-state-machine.ts";
import { Lease } from "./lease.ts";
import type { PeerAt } from "./peer.ts";
import { Replicator } from "./replicator.ts";
import { Replicators } from "./replicators.ts";
import { heartbeatMs, type ReplicationSettings } from "./settings.ts";
import { LeadershipTransfer } from "./transfer.ts";

export interface PrimaryOptions {
  readonly group: string;
  readonly self: number;
  /** The state that names this node as primary. */
  readonly state: Versioned<GroupState>;
  readonly nodes: readonly NodeView[];
  /** Number of the primary before, if known: nobody waits for it unless it has answered. */
  readonly former: number | undefined;
  /** How long an earlier primary may still rely on this node. */
  readonly leaseLeftMs: number;
  readonly store: ReplicaLog & KeyView;
  readonly clock: Clock;
  readonly peerAt: PeerAt;
  readonly register: CasRegister<GroupState>;
  readonly logs: CasRegister<GroupLogs>;
  readonly settings: ReplicationSettings;
  /** Called once, when this primary has learned that it is one no longer. */
  readonly onDeposed: (reason: string) => void;
  /** Called when the log takes nothing any more: the process must end. */
  readonly onFailure: (error: unknown) => void;
  readonly log: (message: string) => void;
}

/** How far a standby has come. */
export interface StandbyProgress {
  readonly number: number;
  readonly ackedSeq: number;
  readonly inSync: boolean;
  /** Whether its disk had no room for what it was sent last. */
  readonly diskFull: boolean;
}

/**
 * The primary of a group for one epoch: orders the writes, has them copied, and acknowledges what every in-sync member
 * has on disk. Modelled on PacificA (Lin et al. 2008) and on the in-sync replicas of Kafka.
 */
export class Primary implements Committer {
  readonly epoch: number;
  readonly #options: PrimaryOptions;
  readonly #inSync: InSyncSet;
  readonly #stopped = new AbortController();
  readonly #replicators = new Replicators((node) => this.#replicate(node));
  #nodes: readonly NodeView[];
  /** Members that are required but have not been heard of yet count their silence from here. */
  #begunMs = 0;
  readonly #queue = new CommitQueue();
  #committedSeq = 0;
  /** Of the record that begins this epoch; nothing is served before it is committed. */
  #epochSeq = Number.POSITIVE_INFINITY;
  readonly #transfer: LeadershipTransfer;
  readonly #floor: Floor;
  readonly #lease: Lease;
  /** The keys that it serves. */
  readonly keys: KvStateMachine;

  constructor(options: PrimaryOptions) {
    this.#options = options;
    this.epoch = options.state.value.epoch;
    this.#nodes = options.nodes;
    this.keys = new KvStateMachine(options.store, options.clock, this);
    this.#lease = new Lease({
      clock: options.clock,
      settings: options.settings,
      sent: () => this.#inSync.required.map((member) => this.#replicators.of(member)?.ackedSent),
      ask: () => this.#replicators.wake(),
      check: () => this.checkServing(),
    });
    this.#floor = new Floor({
      register: options.logs,
      clock: options.clock,
      committed: () =>
        this.#committedSeq < this.#epochSeq ? undefined : { epoch: this.epoch, seq: this.#committedSeq },
    });
    this.#inSync = new InSyncSet({
      state: options.state,
      self: options.self,
      register: options.register,
      clock: options.clock,
      signal: this.#stopped.signal,
      onChange: () => {
        this.#floor.hurry();
        this.#advance();
        this.#lease.renew();
      },
      onDeposed: (state) =>
        this.#depose(
          `epoch ${state.epoch} has begun with node ${state.primary?.number ?? "none"} as its primary`,
        ),
    });
    this.#transfer = new LeadershipTransfer({
      self: options.self,
      epoch: this.epoch,
      inSync: this.#inSync,
      register: options.register,
      settled: (signal) => this.#settled(signal),
    });
    const stopListening = options.store.onEnd({
      written: () => this.#replicators.wake(),
      withdrawn: (afterSeq, reason) => this.#queue.withdrawn(afterSeq, refusedFor(reason)),
    });
    this.#stopped.signal.addEventListener("abort", stopListening, { once: true });
    // From the start, so that the standbys hear of this primary while it waits.
    this.#updateReplicators();
    void this.#begin();
  }

  get committedSeq(): number {
    return this.#committedSeq;
  }

  /** Why no call is taken now; undefined while they are. */
  get unavailable(): string | undefined {
    if (this.#stopped.signal.aborted) return "the primary has been replaced";
    if (this.#committedSeq >= this.#epochSeq) return undefined;
    const trouble = diskProblem(this.#options.store, this.#options.settings);
    return `the new primary is still taking over${trouble === undefined ? "" : `: ${trouble}`}`;
  }

  get standbys(): StandbyProgress[] {
    return this.#replicators.all().map(({ member, ackedSeq, isFull }) => ({
      number: member.number,
      ackedSeq,
      inSync: this.#inSync.has(member),
      diskFull: isFull,
    }));
  }

  /** The state as last known. */
  get state(): Versioned<GroupState> {
    return this.#inSync.state;
  }

  /** Of these in-sync members the one that has most of the log, of those that answer and whose disk has room. */
  heirOf(members: readonly Member[]): Member | undefined {
    const { clock, settings } = this.#options;
    const sinceMs = clock.monotonicMs() - settings.standbyTimeoutMs;
    const known = members.flatMap((member) => this.#replicators.of(member) ?? []);
    const able = known.filter(({ ackedSent, isFull }) => !isFull && (ackedSent?.monotonicMs ?? 0) >= sinceMs);
    return able.sort((a, b) => b.ackedSeq - a.ackedSeq)[0]?.member;
  }

  /** Takes in who is registered now, and the state as last read. */
  observe(nodes: readonly NodeView[], state: Versioned<GroupState> | undefined): void {
    this.#nodes = nodes;
    if (state !== undefined) this.#inSync.observe(state);
    this.#updateReplicators();
  }

  /** Aborted when this primary has ended. */
  get ended(): AbortSignal {
    return this.#stopped.signal;
  }

  get pendingBytes(): number {
    return this.#queue.bytes;
  }

  checkServing(): void {
    const reason = this.unavailable;
    if (reason !== undefined) throw new OperationError("unavailable", reason);
  }

  checkReplicas(): void {
    const { store, settings } = this.#options;
    const { minSync } = settings;
    // Nobody could say what becomes of a write that waits for a disk that does not answer.
    if (store.stalledMs >= settings.standbyTimeoutMs) {
      throw new OperationError("unavailable", `the primary takes no writes: ${diskProblem(store, settings)}`);
    }
    const inSync = this.#inSync.members.length;
    if (inSync >= minSync) return;
    throw new OperationError(
      "unavailable",
      `${inSync} of at least ${minSync} replicas are in sync (minsync)`,
    );
  }

  async serve(signal: AbortSignal): Promise<void> {
    this.checkServing();
    await this.#lease.wait(signal);
  }

  get isWritable(): boolean {
    return !this.#transfer.isUnderWay;
  }

  async untilWritable(signal: AbortSignal): Promise<void> {
    await this.#transfer.wait(signal);
    this.checkServing();
  }

  append(changes: readonly Change[], requestId?: string): number {
    const { store } = this.#options;
    const record = { epoch: this.epoch, seq: store.last.seq + 1, changes, requestId };
    try {
      store.check(record);
    } catch (error) {
      throw this.#refused(error);
    }
    // From here on the seq stands for this record, and for no other.
    store.append([record]).then(
      () => this.#advance(),
      (error) => this.#fail(error),
    );
    return record.seq;
  }

  /** The log has not taken a record: in terms of the call. What is not the record's fault ends this primary. */
  #refused(error: unknown): OperationError {
    if (error instanceof RangeError) return new OperationError("invalid", error.message, { cause: error });
    this.#fail(error);
    return new OperationError("unavailable", "the log takes no more records", { cause: error });
  }

  /** A log that has lost a record, or takes none, would have this primary acknowledge what is not there. */
  #fail(error: unknown): void {
    // Another primary may have cut off what this one has added; and what had no room was told to those who wait for it.
    if (this.#stopped.signal.aborted || isFull(error)) return;
    this.stop(`the log takes no more records: ${error instanceof Error ? error.message : String(error)}`);
    this.#options.onFailure(error);
  }

  committed(seq: number, bytes: number, signal: AbortSignal): Promise<void> {
    return seq <= this.#committedSeq ? Promise.resolve() : this.#queue.wait(seq, bytes, signal);
  }

  /**
   * Makes an in-sync standby the primary of the next epoch, which is returned. Writes wait meanwhile, and are then
   * refused as not applied, for the new primary to take. Errors: refused, unavailable.
   */
  async transferLeadership(number: number, signal: AbortSignal): Promise<number> {
    this.checkServing();
    return await this.#transfer.run(number, signal);
  }

  /** Has it known how far the group has come, before this node goes. Rejects when that cannot be done. */
  async settle(): Promise<void> {
    await this.#floor.raise();
  }

  /** Resolves when everything in the log is committed; what is withdrawn meanwhile was none of it. */
  async #settled(signal: AbortSignal): Promise<void> {
    const { store } = this.#options;
    while (this.#committedSeq < store.last.seq) {
      await this.committed(store.last.seq, 0, signal).catch((error: unknown) => {
        if (!(error instanceof OperationError && error.code === "exhausted")) throw error;
      });
    }
  }

  /** Ends this primary. Writes that wait have an unknown outcome. */
  stop(reason: string): void {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort(new Error(reason));
    this.#replicators.update([]);
    this.#queue.end(reason);
    this.#lease.renew();
  }

  /** Begins the epoch: everything in the log is committed under it before anything is served. */
  async #begin(): Promise<void> {
    const { clock, leaseLeftMs } = this.#options;
    const { signal } = this.#stopped;
    if (leaseLeftMs > 0) await sleep(clock, leaseLeftMs, signal);
    if (signal.aborted) return;
    this.#dropFormer();
    const seq = await this.#appendEpoch();
    if (signal.aborted || seq === undefined) return;
    this.#epochSeq = seq;
    this.#begunMs = clock.monotonicMs();
    this.#advance();
    this.#tick();
  }

  /** Tries until there is room. Returns the seq of the record that begins the epoch. */
  async #appendEpoch(): Promise<number | undefined> {
    const { clock, store } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const seq = store.last.seq + 1;
      try {
        await store.append([{ epoch: this.epoch, seq, changes: [] }]);
        return seq;
      } catch (error) {
        this.#fail(error);
        await sleep(clock, fullRetryMs, signal);
      }
    }
    return undefined;
  }

  #updateReplicators(): void {
    if (this.#stopped.signal.aborted) return;
    this.#replicators.update(this.#nodes.filter((node) => node.number !== this.#options.self));
  }

  #replicate(node: NodeView): Replicator {
    const { group, self, store, clock, settings, peerAt, log } = this.#options;
    return new Replicator(node, peerAt(node.address), {
      group,
      epoch: this.epoch,
      self,
      store,
      clock,
      settings,
      committedSeq: () => this.#committedSeq,
      onAck: (replicator) => this.#onAck(replicator),
      onStale: (epoch) => this.#depose(`node ${node.number} follows epoch ${epoch}`),
      log,
    });
  }

  #onAck(replicator: Replicator): void {
    const { member } = replicator;
    if (replicator.isFull) this.#drop(member, "has no room on its disk");
    else if (this.#inSync.has(member)) this.#inSync.keep(member);
    // Before its epoch is committed, a primary cannot tell what of its log has been acknowledged: all of it counts.
    else if (replicator.ackedSeq >= Math.max(this.#committedSeq, this.#epochSeq)) this.#inSync.join(member);
    this.#advance();
    this.#lease.renew();
  }

  /** Looks after members and keys, for as long as this primary lives. */
  #tick(): void {
    const { clock, settings } = this.#options;
    if (this.#stopped.signal.aborted) return;
    this.#dropSilent();
    this.#floor.tick();
    if (this.unavailable === undefined) this.keys.expireDue();
    clock.timer(heartbeatMs(settings), () => this.#tick());
  }

  /** Drops the primary before, which is replaced because it is gone or silent, unless it is back as a standby. */
  #dropFormer(): void {
    const { former } = this.#options;
    const member = this.#inSync.required.find(({ number }) => number === former);
    if (member === undefined || this.#replicators.of(member)?.ackedSent !== undefined) return;
    this.#inSync.leave(member);
  }

  /** Drops members that have been silent for too long. */
  #dropSilent(): void {
    const { clock, settings, store } = this.#options;
    const limitMs = clock.monotonicMs() - settings.standbyTimeoutMs;
    const isOver = (sinceMs = 0) => Math.max(sinceMs, this.#begunMs) < limitMs;
    for (const member of this.#inSync.required) {
      const replicator = this.#replicators.of(member);
      if (replicator === undefined && isOver()) {
        this.#drop(member, "has left (it is not registered)");
      } else if (isOver(replicator?.ackedSent?.monotonicMs)) {
        this.#drop(member, `has not answered for ${settings.standbyTimeoutMs} ms`);
      } else if ((replicator?.ackedSeq ?? 0) < store.written.seq && isOver(replicator?.progressMs)) {
        this.#drop(member, `has put nothing on its disk for ${settings.standbyTimeoutMs} ms`);
      }
    }
  }

  #drop(member: Member, reason: string): void {
    const isRequired = this.#inSync.required.some((other) => isSameMember(other, member));
    if (!isRequired || !this.#inSync.leave(member)) return;
    this.#options.log(`node ${member.number} ${reason}: going on without it`);
  }

  /** Commits what every required member has on disk. */
  #advance(): void {
    if (this.#stopped.signal.aborted) return;
    const { store, settings } = this.#options;
    let seq = store.durable.seq;
    for (const member of this.#inSync.required) {
      seq = Math.min(seq, this.#replicators.of(member)?.ackedSeq ?? 0);
    }
    // What earlier epochs have left is taken over whole, whatever `minsync` asks of new writes.
    if (this.#inSync.members.length < settings.minSync) seq = Math.min(seq, this.#epochSeq);
    if (seq < this.#epochSeq || seq <= this.#committedSeq) return;
    const taking = this.#committedSeq < this.#epochSeq;
    store.commit(seq);
    this.#committedSeq = seq;
    if (taking) this.#options.log(`serving as primary of epoch ${this.epoch} from seq ${seq}`);
    this.#queue.committed(seq);
  }

  #depose(reason: string): void {
    if (this.#stopped.signal.aborted) return;
    this.stop(reason);
    this.#options.onDeposed(reason);
  }
}
