import type { Address } from "../../common/address.ts";
import { createBackoff } from "../../common/backoff.ts";
import { type Clock, withTimeout } from "../../common/clock.ts";
import type { Access, OpenSession } from "../../coordination/coordination.ts";
import { KvStateMachine } from "../kv/kv-state-machine.ts";
import { keepRegistered } from "../membership/registrar.ts";
import { type AskWhoAnswers, registerDataNode } from "../membership/registration.ts";
import { type CasRegister, groupLogsRegister } from "../metadata/cas-register.ts";
import { checkCaller, enterCluster, ForeignCluster } from "../metadata/cluster-id.ts";
import { explain, withoutRepetition } from "../metadata/diagnostics.ts";
import type { GroupLogs, Member } from "../metadata/model.ts";
import { OperationError } from "../metadata/operation-error.ts";
import { masterNumber } from "../metadata/paths.ts";
import type { Task } from "../metadata/retry-on-connection-loss.ts";
import { keepSessions, type SessionKeeper } from "../metadata/session-keeper.ts";
import { type TopologySource, watchTopology } from "../metadata/topology.ts";
import { diskProblem, isFull } from "../replication/disk-diagnostics.ts";
import { type GroupRegister, groupRegister } from "../replication/group-register.ts";
import {
  type AppendRequest,
  type AppendResponse,
  type CountMisplacedRequest,
  type PeerAt,
  type PositionRequest,
  type SilenceReport,
  type TransferRequest,
  withinCluster,
} from "../replication/peer.ts";
import { OperatorAwaited, RejoinRefused, rejoinGroup } from "../replication/rejoin.ts";
import { Replica } from "../replication/replica.ts";
import { heartbeatMs, type ReplicationSettings } from "../replication/settings.ts";
import type { StandbyProgress } from "../replication/standbys.ts";
import { HashRing } from "../ring/hash-ring.ts";
import { freezeRing } from "../ring/ring-freeze.ts";
import type { LogStore } from "../storage/log-store.ts";
import type { Position } from "../storage/model.ts";
import { WatchHub } from "../watch/hub.ts";
import { KeyService } from "./key-service.ts";
import { Ownership } from "./ownership.ts";

/** Longest wait of a primary that leaves until it is known how far the group has come. */
const settleTimeoutMs = 1000;

/** Longest wait for the master's answer; the next report may go to another master. */
const reportTimeoutMs = 1000;

export interface DataNodeOptions {
  readonly group: string;
  /** Open; closed by who has opened it. */
  readonly store: LogStore;
  readonly openSession: OpenSession;
  readonly clock: Clock;
  /** Of the znodes that the node makes. */
  readonly access: Access;
  readonly peerAt: PeerAt;
  readonly whoAnswers: AskWhoAnswers;
  readonly settings: ReplicationSettings;
  readonly valueBytesMax: number;
  readonly log: (message: string) => void;
  /** Told when the node cannot take part in its cluster as things stand: an operator has to decide. */
  readonly onFailure: (error: unknown) => void;
}

/** What a node reports of itself. */
export interface NodeStatus {
  readonly group: string;
  /** 0 before the node has registered for the first time. */
  readonly number: number;
  readonly primary: boolean;
  readonly epoch: number;
  readonly lastSeq: number;
  readonly committedSeq: number;
  readonly keys: number;
  readonly logBytes: number;
  readonly garbageBytes: number;
  readonly standbys: readonly StandbyProgress[];
  /** Why it takes no calls; undefined while it does. */
  readonly unavailable: string | undefined;
  /** What keeps its disk from taking writes; undefined when nothing does. */
  readonly diskProblem: string | undefined;
}

/** One data node: a replica of a group, and the server of the group's keys while it is the primary. */
export class DataNode {
  readonly group: string;
  readonly topology: TopologySource;
  readonly #options: DataNodeOptions;
  readonly #sessions: SessionKeeper;
  readonly #replica: Replica;
  readonly #state: GroupRegister;
  readonly #logs: CasRegister<GroupLogs>;
  readonly #stopped = new AbortController();
  /** What clients ask of it. */
  readonly calls: KeyService;
  #self: Member | undefined;
  /** Set while this node is the primary, as far as it knows. */
  #keys: KvStateMachine | undefined;
  #cluster: string | undefined;

  constructor(options: DataNodeOptions) {
    const { group, store, clock, access, log, onFailure } = options;
    const watches = new WatchHub(store, clock);
    const expiryTickMs = heartbeatMs(options.settings);
    this.group = group;
    this.#options = { ...options, peerAt: withinCluster(options.peerAt, () => this.#cluster) };
    const sessions = keepSessions({ open: options.openSession, clock, onDiagnostic: log });
    sessions.done.catch(onFailure);
    this.#sessions = sessions;
    this.topology = watchTopology({ sessions, clock, onDiagnostic: log });
    const session = () => sessions.current;
    this.#state = groupRegister({ session, access, group, onFailure });
    this.#logs = groupLogsRegister({ session, access, group });
    this.#replica = new Replica({
      ...this.#options,
      register: this.#state,
      logs: this.#logs,
      reportSilence: (epoch, reporter) => this.#reportSilence({ group, epoch, reporter }),
      onPrimary: (primary) => {
        this.#keys = primary && new KvStateMachine({ primary, keys: store, watches, clock, expiryTickMs });
      },
    });
    const { signal } = this.#stopped;
    const ownership = new Ownership({
      group,
      topology: this.topology,
      keys: () => this.#keys,
      freezeRing: freezeRing({ sessions, topology: this.topology, clock, access, signal }),
    });
    this.calls = new KeyService(ownership, options.valueBytesMax);
    this.topology.onChange((topology) => {
      const view = topology.groups.get(group);
      if (view !== undefined) this.#replica.observe(view);
    });
  }

  /** Whether the node has its place in the group. */
  get registered(): boolean {
    return this.#self !== undefined;
  }

  /**
   * Registers the node at its address, where it listens already, and keeps it registered. Resolves when it has its
   * place for the first time.
   */
  join(address: Address): Promise<void> {
    const joined = Promise.withResolvers<void>();
    const { group, store, clock, access, whoAnswers, log, onFailure } = this.#options;
    if (store.isCopy) {
      log("the log is a copy, whose original may have gone on: it gets a number of its own, and catches up");
    }
    const register = registerDataNode({
      group,
      address,
      number: store.isCopy ? undefined : store.identity?.number,
      whoAnswers,
    });
    let life = new AbortController();
    keepRegistered({
      sessions: this.#sessions,
      clock,
      access,
      register: async (task) => {
        await this.#enterCluster(task);
        return await register(task);
      },
      onDiagnostic: log,
      onChange: (registration) => {
        life.abort(new Error("the registration is over"));
        life = new AbortController();
        if (registration === undefined) {
          this.#self = undefined;
          return;
        }
        const self = { number: registration.number, incarnation: registration.incarnation };
        this.#takePlace(self, life.signal).then((taken) => {
          if (taken) joined.resolve();
        }, onFailure);
      },
    });
    return joined.promise;
  }

  /** Leaves the cluster at once, so that others take over; in good order unless its store has failed. */
  async leave(isFailed = false): Promise<void> {
    const primary = this.#replica.primary;
    if (primary !== undefined && !isFailed && this.#logs.connected) {
      const { clock } = this.#options;
      await withTimeout(clock, settleTimeoutMs, this.#stopped.signal, () => primary.settle()).catch(() => {});
    }
    this.#stopped.abort(new Error("the node is stopping"));
    await this.#sessions.stop();
    this.#replica.stop();
  }

  async append(request: AppendRequest): Promise<AppendResponse> {
    checkCaller(this.#cluster, request.cluster);
    return await this.#replica.append(request);
  }

  /** How many keys another ring would place in other groups. Errors: this node is not the primary. */
  countMisplaced({ cluster, group, ringGroups, virtualNodes }: CountMisplacedRequest): number {
    checkCaller(this.#cluster, cluster);
    const reason = group === this.group ? this.#unavailable() : `it belongs to group "${this.group}"`;
    if (reason !== undefined) throw new Error(`this node cannot speak for group "${group}": ${reason}`);
    const ring = new HashRing(ringGroups, { virtualNodes });
    let count = 0;
    for (const key of this.#options.store.keys()) if (ring.owner(key) !== group) count++;
    return count;
  }

  /** As `Peer.transferLeadership`. Errors: unavailable, refused. */
  async transferLeadership(
    { cluster, group, number }: TransferRequest,
    signal: AbortSignal,
  ): Promise<number> {
    checkCaller(this.#cluster, cluster);
    const { primary } = this.#replica;
    if (group !== this.group || primary === undefined) {
      throw new OperationError("unavailable", `this node is not the primary of group "${group}"`);
    }
    return await primary.transferLeadership(number, signal);
  }

  /** As `Peer.position`. */
  position({ cluster, group }: PositionRequest): Position | undefined {
    checkCaller(this.#cluster, cluster);
    if (group !== this.group)
      throw new OperationError("refused", `this node belongs to group "${this.group}"`);
    const { condition, durable, stalledMs } = this.#options.store;
    // Who waits for its disk would not get far as primary.
    const isStalled = stalledMs >= this.#options.settings.standbyTimeoutMs;
    return condition.kind === "damaged" || isStalled ? undefined : durable;
  }

  status(): NodeStatus {
    const { store } = this.#options;
    const { primary } = this.#replica;
    return {
      group: this.group,
      number: store.identity?.number ?? 0,
      primary: primary !== undefined,
      epoch: store.promisedEpoch,
      lastSeq: store.last.seq,
      committedSeq: this.#replica.committedSeq,
      keys: store.keyCount,
      logBytes: store.fileBytes,
      garbageBytes: store.garbageBytes,
      standbys: primary?.standbys ?? [],
      unavailable: this.#unavailable(),
      diskProblem: diskProblem(store, this.#options.settings),
    };
  }

  /** Takes up the place that a registration has given; tries until it is done. False when that has ended before. */
  async #takePlace(self: Member, signal: AbortSignal): Promise<boolean> {
    const { store, group, clock, log } = this.#options;
    await this.#adopt(self.number);
    const tell = withoutRepetition(log);
    const pause = createBackoff(clock, 50, 2000);
    while (!signal.aborted) {
      try {
        await rejoinGroup({ group, self, store, state: this.#state, logs: this.#logs });
        if (signal.aborted) break;
        this.#self = self;
        this.#replica.registered(self);
        log(`registered as node ${self.number} of group "${group}"`);
        return true;
      } catch (error) {
        if (error instanceof RejoinRefused) throw error;
        const lasts = error instanceof OperatorAwaited || isFull(error);
        if (lasts) tell(error.message);
        await pause.wait(signal);
        if (signal.aborted || lasts) continue;
        log(`joining group "${group}" again: ${explain(error)}`);
      }
    }
    return false;
  }

  /** Makes sure that these znodes are of our cluster, and of the log's. */
  async #enterCluster(task: Task): Promise<void> {
    const { store, onFailure } = this.#options;
    const own = this.#cluster ?? store.identity?.cluster;
    const who = this.#cluster === undefined ? "the log" : "this node";
    try {
      this.#cluster = await enterCluster(task, { own, who });
    } catch (error) {
      if (error instanceof ForeignCluster) onFailure(error);
      throw error;
    }
  }

  /** Has the log's header name this node, unless it does, or cannot be written before a copy has replaced the log. */
  async #adopt(number: number): Promise<void> {
    const { store, group } = this.#options;
    const { identity, isCopy, condition } = store;
    if (identity?.cluster !== undefined && !isCopy) return;
    if (identity !== undefined && !isCopy && condition.kind === "damaged") return;
    await store.adopt({ cluster: this.#cluster ?? "", group, number });
  }

  async #reportSilence(report: SilenceReport): Promise<boolean> {
    const { clock, peerAt } = this.#options;
    const master = this.topology.current?.routers.find(({ number }) => number === masterNumber);
    if (master === undefined) return false;
    return await withTimeout(clock, reportTimeoutMs, this.#stopped.signal, (signal) =>
      peerAt(master.address).reportSilence(report, signal),
    );
  }

  #unavailable(): string | undefined {
    const { primary } = this.#replica;
    return primary === undefined ? "this node is not the primary" : primary.unavailable;
  }
}
