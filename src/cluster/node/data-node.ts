import type { Address } from "../../common/address.ts";
import { type Clock, withTimeout } from "../../common/clock.ts";
import { Listeners } from "../../common/listeners.ts";
import type { Access, OpenSession } from "../../coordination/coordination.ts";
import { KvStateMachine } from "../kv/kv-state-machine.ts";
import type { AskWhoAnswers } from "../membership/registration.ts";
import { type CasRegister, groupLogsRegister, ringRegister } from "../metadata/cas-register.ts";
import type { GroupLogs } from "../metadata/model.ts";
import { masterNumber } from "../metadata/paths.ts";
import { SessionKeeper, type SessionSource } from "../metadata/session-keeper.ts";
import { type TopologySource, WatchedTopology } from "../metadata/topology.ts";
import { GroupMoves } from "../move/group-moves.ts";
import { diskProblem } from "../replication/disk-diagnostics.ts";
import { groupRegister } from "../replication/group-register.ts";
import { type PeerAt, type SilenceReport, withinCluster } from "../replication/peer.ts";
import { Replica } from "../replication/replica.ts";
import { heartbeatMs, type ReplicationSettings } from "../replication/settings.ts";
import type { StandbyProgress } from "../replication/standbys.ts";
import type { MoveProgress } from "../ring/move-progress.ts";
import { RingFreeze } from "../ring/ring-freeze.ts";
import type { LogStore } from "../storage/log-store.ts";
import { WatchHub } from "../watch/hub.ts";
import { Joining } from "./joining.ts";
import { KeyService } from "./key-service.ts";
import { Ownership } from "./ownership.ts";
import { PeerService } from "./peer-service.ts";

/** Longest wait of a leaving primary for the floor to be raised. */
const settleTimeoutMs = 1000;

/** Longest wait for the master's answer. The next report may go to another master. */
const reportTimeoutMs = 1000;

export interface DataNodeOptions {
  readonly group: string;
  /** Open. Whoever opened it closes it. */
  readonly store: LogStore;
  readonly openSession: OpenSession;
  readonly clock: Clock;
  /** Access mode for the znodes that this node creates. */
  readonly access: Access;
  readonly peerAt: PeerAt;
  readonly whoAnswers: AskWhoAnswers;
  readonly settings: ReplicationSettings;
  readonly valueBytesMax: number;
  readonly log: (message: string) => void;
  /** Called when the node cannot continue, for example because an operator has to decide. */
  readonly onFailure: (error: unknown) => void;
}

/** The status of a data node. */
export interface NodeStatus {
  readonly group: string;
  /** 0 before the first registration. */
  readonly number: number;
  readonly primary: boolean;
  readonly epoch: number;
  readonly lastSeq: number;
  readonly committedSeq: number;
  readonly keys: number;
  readonly logBytes: number;
  readonly garbageBytes: number;
  readonly standbys: readonly StandbyProgress[];
  /** Why it takes no calls. Undefined while it takes them. */
  readonly unavailable: string | undefined;
  /** Why its disk takes no writes. Undefined while it does. */
  readonly diskProblem: string | undefined;
  /** On a primary: the moves of keys to its group. */
  readonly moves: readonly MoveProgress[];
}

/**
 * One data node: a replica of a group, which serves the group's keys while it is the primary. The class creates the parts
 * and connects them. Clients use `calls`, other nodes use `peers`.
 */
export class DataNode {
  readonly group: string;
  readonly topology: TopologySource;
  /** The calls of clients. */
  readonly calls: KeyService;
  /** The calls of other nodes. */
  readonly peers: PeerService;
  readonly #options: DataNodeOptions;
  readonly #sessions: SessionKeeper;
  readonly #joining: Joining;
  readonly #replica: Replica;
  readonly #logs: CasRegister<GroupLogs>;
  readonly #stopped = new AbortController();
  readonly #places = new Listeners<boolean>();
  /** Set while this node is the primary, as far as it knows. */
  #machine: KvStateMachine | undefined;
  /** Set while this node is the primary, as well. */
  #moves: GroupMoves | undefined;

  constructor(options: DataNodeOptions) {
    const { group, store, clock, access, settings, log, onFailure } = options;
    this.group = group;
    this.#options = { ...options, peerAt: withinCluster(options.peerAt, () => this.#joining.cluster) };
    const sessions = new SessionKeeper({ open: options.openSession, clock, onDiagnostic: log });
    sessions.done.catch(onFailure);
    this.#sessions = sessions;
    this.topology = new WatchedTopology({ sessions, clock, onDiagnostic: log });
    const session = () => sessions.current;
    const state = groupRegister({ session, access, group, onFailure });
    this.#logs = groupLogsRegister({ session, access, group });
    const ring = ringRegister({ session, access });
    const { signal } = this.#stopped;
    const freeze = new RingFreeze({ sessions, topology: this.topology, clock, access, signal });
    const ownership = new Ownership({
      group,
      topology: this.topology,
      keys: store,
      clock,
      machine: () => this.#machine,
      sealed: (move) => this.#moves?.source.sealed(move),
      freezeRing: () => freeze.freeze(),
      signal,
    });
    const watches = new WatchHub(store, clock, onFailure);
    const expiryTickMs = heartbeatMs(settings);
    this.#replica = new Replica({
      ...this.#options,
      register: state,
      logs: this.#logs,
      reportSilence: (epoch, reporter) => this.#reportSilence({ group, epoch, reporter }),
      onPrimary: (primary) => {
        this.#moves =
          primary &&
          new GroupMoves({
            ...this.#options,
            primary,
            topology: this.topology,
            ring,
            callCount: () => this.calls.count,
            tellProgress: () => watches.tellProgress(),
          });
        this.#machine =
          primary &&
          new KvStateMachine({ primary, keys: store, watches, guard: ownership, clock, expiryTickMs });
      },
    });
    this.#joining = new Joining({
      ...options,
      sessions,
      state,
      logs: this.#logs,
      ring,
      onPlace: (self) => this.#replica.registered(self),
      onState: () => this.#places.tell(this.registered),
    });
    this.calls = new KeyService(ownership, options.valueBytesMax);
    const cluster = () => this.#joining.cluster;
    this.peers = new PeerService({
      group,
      store,
      replica: this.#replica,
      settings,
      clock,
      self: () => this.#joining.named,
      moves: () => this.#moves,
      cluster,
    });
    this.topology.onChange((topology) => {
      const view = topology.groups.get(group);
      if (view === undefined) return;
      this.#joining.observe(view);
      this.#replica.observe(view);
    });
  }

  /** The sessions of this node, for what is not of the node itself. */
  get sessions(): SessionSource {
    return this.#sessions;
  }

  /** Whether the node has its place in the group. */
  get registered(): boolean {
    return this.#joining.state === "joined";
  }

  /** Calls `listener` after each change of `registered`. Returns a function that removes the listener. */
  onRegistered(listener: (registered: boolean) => void): () => void {
    return this.#places.add(listener);
  }

  /** Joins the group, at the address where the node already listens: see `Joining.join`. */
  join(address: Address): Promise<void> {
    return this.#joining.join(address);
  }

  /** Leaves the cluster at once, so that others take over. A primary first raises the floor, unless its store failed. */
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

  status(): NodeStatus {
    const { store, settings } = this.#options;
    const replica = this.#replica;
    return {
      group: this.group,
      number: store.identity?.number ?? 0,
      primary: replica.primary !== undefined,
      epoch: store.promisedEpoch,
      lastSeq: store.last.seq,
      committedSeq: replica.committedSeq,
      keys: store.keyCount,
      logBytes: store.fileBytes,
      garbageBytes: store.garbageBytes,
      standbys: replica.primary?.standbys ?? [],
      unavailable: replica.unavailable,
      diskProblem: diskProblem(store, settings),
      moves: this.#moves?.destination.progress ?? [],
    };
  }

  async #reportSilence(report: SilenceReport): Promise<boolean> {
    const { clock, peerAt } = this.#options;
    const master = this.topology.current?.routers.find(({ number }) => number === masterNumber);
    if (master === undefined) return false;
    return await withTimeout(clock, reportTimeoutMs, this.#stopped.signal, (signal) =>
      peerAt(master.address).reportSilence(report, signal),
    );
  }
}
