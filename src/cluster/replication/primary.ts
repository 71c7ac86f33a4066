import type { Clock } from "../../common/clock.ts";
import { InvariantError } from "../../common/invariant.ts";
import { messageOf } from "../../common/message-of.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import type { GroupLogs, GroupState, Member, NodeView, Versioned } from "../metadata/model.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import { CommitPipeline } from "./commit-pipeline.ts";
import { isFull } from "./disk-diagnostics.ts";
import { startEpoch } from "./epoch-start.ts";
import { Floor } from "./floor.ts";
import type { GroupRegister } from "./group-register.ts";
import { InSyncSet } from "./in-sync-set.ts";
import { Lease } from "./lease.ts";
import type { PeerAt } from "./peer.ts";
import { Replicator } from "./replicator.ts";
import type { ReplicationSettings } from "./settings.ts";
import { type StandbyProgress, Standbys } from "./standbys.ts";
import { LeadershipTransfer } from "./transfer.ts";

export interface PrimaryOptions {
  readonly group: string;
  readonly self: number;
  /** The state that names this node as primary. */
  readonly state: Versioned<GroupState>;
  readonly nodes: readonly NodeView[];
  /** Number of the former primary, if known. This primary only waits for it if it has answered. */
  readonly former: number | undefined;
  /** How long the lease of an earlier primary may still last. */
  readonly leaseLeftMs: number;
  readonly store: ReplicaLog;
  readonly clock: Clock;
  readonly peerAt: PeerAt;
  readonly register: GroupRegister;
  readonly logs: CasRegister<GroupLogs>;
  readonly settings: ReplicationSettings;
  /** Called once, when this primary has learned that it was replaced. */
  readonly onDeposed: (reason: string) => void;
  /** Called when the log accepts no more records, or an invariant is broken: the process must end. */
  readonly onFailure: (error: unknown) => void;
  readonly log: (message: string) => void;
}

/**
 * The primary of a group for one epoch. It creates its parts and connects them: `log` takes records and commits them,
 * `lease` decides when reads are linearizable, `Standbys` replicates to the other nodes and maintains the in-sync set. It
 * knows nothing about keys. Modelled on PacificA (Lin et al. 2008) and on the in-sync replicas of Kafka.
 */
export class Primary {
  readonly epoch: number;
  /** For writes. */
  readonly log: CommitPipeline;
  /** For reads. */
  readonly lease: Lease;
  readonly #options: PrimaryOptions;
  readonly #inSync: InSyncSet;
  readonly #standbys: Standbys;
  readonly #transfer: LeadershipTransfer;
  readonly #floor: Floor;
  readonly #stopped = new AbortController();

  constructor(options: PrimaryOptions) {
    const { self, state, register, store, clock, settings, log } = options;
    this.#options = options;
    this.epoch = state.value.epoch;
    this.#inSync = new InSyncSet({
      state,
      self,
      register,
      clock,
      signal: this.#stopped.signal,
      onChange: () => {
        this.#floor.hurry();
        this.log.advance();
        this.lease.renew();
      },
      onDeposed: ({ epoch, primary }) =>
        this.#depose(`epoch ${epoch} has begun with node ${primary?.number ?? "none"} as its primary`),
      onFailure: (error) => this.#fail(error),
    });
    this.#standbys = new Standbys({
      ...options,
      inSync: this.#inSync,
      replicate: (node) => this.#replicate(node),
      joinSeq: () => this.log.joinSeq,
    });
    this.#transfer = new LeadershipTransfer({
      term: { epoch: this.epoch, primary: self },
      inSync: this.#inSync,
      register,
      settled: (signal) => this.log.settled(signal),
    });
    this.log = new CommitPipeline({
      epoch: this.epoch,
      store,
      settings,
      inSync: this.#inSync,
      ackedSeq: (member) => this.#standbys.ackedSeq(member),
      transfer: this.#transfer,
      onFailure: (error) => this.#fail(error),
      log,
    });
    this.lease = new Lease({
      clock,
      settings,
      sent: () => this.#standbys.lastAnswered(),
      ask: () => this.#standbys.wake(),
      check: () => this.log.checkServing(),
    });
    this.#floor = new Floor({
      register: options.logs,
      clock,
      committed: () =>
        this.log.state === "serving" ? { epoch: this.epoch, seq: this.log.committedSeq } : undefined,
      onFailure: (error) => this.#fail(error),
    });
    const stopListening = store.onEnd({
      written: () => this.#standbys.wake(),
      withdrawn: (afterSeq, reason) => this.log.withdrawn(afterSeq, reason),
    });
    this.#stopped.signal.addEventListener("abort", stopListening, { once: true });
    // From the start, so that the standbys hear from this primary while it waits.
    this.#standbys.update(options.nodes);
    void this.#begin();
  }

  /** Why no calls are accepted now. Undefined while they are. */
  get unavailable(): string | undefined {
    return this.log.unavailable;
  }

  get standbys(): StandbyProgress[] {
    return this.#standbys.progress;
  }

  /** The state as last known. */
  get state(): Versioned<GroupState> {
    return this.#inSync.state;
  }

  /** Aborted when this primary has ended. */
  get ended(): AbortSignal {
    return this.#stopped.signal;
  }

  /** See `Standbys.heirOf`. */
  heirOf(members: readonly Member[]): Member | undefined {
    return this.#standbys.heirOf(members);
  }

  /** Call it every `heartbeatMs`: sends heartbeats, removes silent members and raises the floor. */
  beat(): void {
    if (this.ended.aborted) return;
    this.#standbys.beat();
    if (this.log.state === "waiting") return;
    this.#standbys.dropSilent();
    this.#floor.tick();
  }

  /** Updates the registered nodes and the state, as last read. */
  observe(nodes: readonly NodeView[], state: Versioned<GroupState> | undefined): void {
    if (state !== undefined) this.#inSync.observe(state);
    if (!this.ended.aborted) this.#standbys.update(nodes);
  }

  /**
   * Makes an in-sync standby the primary of the next epoch. Returns that epoch. Writes wait meanwhile. Then they are
   * refused as not applied, so that their senders go to the new primary. Errors: refused, unavailable.
   */
  async transferLeadership(number: number, signal: AbortSignal): Promise<number> {
    this.log.checkServing();
    return await this.#transfer.run(number, signal);
  }

  /** Raises the floor, before this node leaves. Rejects when that fails. */
  async settle(): Promise<void> {
    await this.#floor.raise();
  }

  /** Ends this primary. Waiting writes have an unknown outcome. */
  stop(reason: string): void {
    if (this.ended.aborted) return;
    this.log.end(reason);
    this.#stopped.abort(new Error(reason));
    this.#standbys.update([]);
    this.lease.renew();
  }

  async #begin(): Promise<void> {
    const seq = await startEpoch({
      ...this.#options,
      epoch: this.epoch,
      signal: this.ended,
      onLeasesOver: () => this.#standbys.dropFormer(this.#options.former),
      onFailure: (error) => this.#fail(error),
    });
    if (seq === undefined) return;
    this.#standbys.listen();
    this.log.begin(seq);
  }

  #replicate(node: NodeView): Replicator {
    return new Replicator(node, this.#options.peerAt(node.address), {
      ...this.#options,
      epoch: this.epoch,
      committedSeq: () => this.log.committedSeq,
      onAck: (replicator) => {
        this.#standbys.answered(replicator);
        this.log.advance();
        this.lease.renew();
      },
      onStale: (epoch) => this.#depose(`node ${node.number} follows epoch ${epoch}`),
      onFailure: (error) => this.#fail(error),
    });
  }

  #depose(reason: string): void {
    if (this.ended.aborted) return;
    this.stop(reason);
    this.#options.onDeposed(reason);
  }

  #fail(error: unknown): void {
    if (this.ended.aborted || isFull(error)) return;
    this.stop(reasonOf(error));
    this.#options.onFailure(error);
  }
}

/** Why a primary ends: a broken invariant, or else a log that it cannot append to. */
function reasonOf(error: unknown): string {
  if (error instanceof InvariantError) return error.message;
  return `the log takes no more records: ${messageOf(error)}`;
}
