import type { Clock } from "../../common/clock.ts";
import { InvariantError } from "../../common/invariant.ts";
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
import { heartbeatMs, type ReplicationSettings } from "./settings.ts";
import { type StandbyProgress, Standbys } from "./standbys.ts";
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
  readonly store: ReplicaLog;
  readonly clock: Clock;
  readonly peerAt: PeerAt;
  readonly register: GroupRegister;
  readonly logs: CasRegister<GroupLogs>;
  readonly settings: ReplicationSettings;
  /** Called once, when this primary has learned that it is one no longer. */
  readonly onDeposed: (reason: string) => void;
  /** Called when the log takes nothing any more, or an invariant is broken: the process must end. */
  readonly onFailure: (error: unknown) => void;
  readonly log: (message: string) => void;
}

/**
 * The primary of a group for one epoch. It makes and joins the parts of that: `log` takes records and says when they are
 * committed, `lease` says when reads are certain to be the last truth, `Standbys` feeds the other nodes and keeps the
 * in-sync set. It knows nothing of keys. Modelled on PacificA (Lin et al. 2008) and on the in-sync replicas of Kafka.
 */
export class Primary {
  readonly epoch: number;
  /** Takes writes. */
  readonly log: CommitPipeline;
  /** Lets reads pass. */
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
    // From the start, so that the standbys hear of this primary while it waits.
    this.#standbys.update(options.nodes);
    void this.#begin();
  }

  /** Why no call is taken now; undefined while calls are taken. */
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

  /** Takes in who is registered now, and the state as last read. */
  observe(nodes: readonly NodeView[], state: Versioned<GroupState> | undefined): void {
    if (state !== undefined) this.#inSync.observe(state);
    if (!this.ended.aborted) this.#standbys.update(nodes);
  }

  /**
   * Makes an in-sync standby the primary of the next epoch, which is returned. Writes wait meanwhile, and are then
   * refused as not applied, for the new primary to take. Errors: refused, unavailable.
   */
  async transferLeadership(number: number, signal: AbortSignal): Promise<number> {
    this.log.checkServing();
    return await this.#transfer.run(number, signal);
  }

  /** Makes known how far the group has come, before this node goes. Rejects when that cannot be done. */
  async settle(): Promise<void> {
    await this.#floor.raise();
  }

  /** Ends this primary. Writes that wait have an unknown outcome. */
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
    this.#tick();
  }

  /** Looks after members and the floor, for as long as this primary lives. */
  #tick(): void {
    const { clock, settings } = this.#options;
    if (this.ended.aborted) return;
    this.#standbys.dropSilent();
    this.#floor.tick();
    clock.timer(heartbeatMs(settings), () => this.#tick());
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

/** Why a primary ends: a broken invariant, which names itself, or else a log that it cannot append to. */
function reasonOf(error: unknown): string {
  if (error instanceof InvariantError) return error.message;
  return `the log takes no more records: ${error instanceof Error ? error.message : String(error)}`;
}
