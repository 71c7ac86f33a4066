import type { Address } from "../../common/address.ts";
import type { Clock } from "../../common/clock.ts";
import type { Access, OpenSession } from "../../coordination/coordination.ts";
import { Master } from "../election/master.ts";
import { type Consent, type Recovery, recoverGroup } from "../election/recovery.ts";
import type { NewGroups } from "../election/ring-admission.ts";
import type { AskWhoAnswers } from "../membership/registration.ts";
import { isMaster, RegistrationKeeper } from "../membership/registration-keeper.ts";
import { RouterRegistrar } from "../membership/router-registrar.ts";
import { groupLogsRegister } from "../metadata/cas-register.ts";
import { checkCaller, enterCluster, ForeignCluster } from "../metadata/cluster-id.ts";
import type { RingRequest } from "../metadata/model.ts";
import { OperationError } from "../metadata/operation-error.ts";
import type { Task } from "../metadata/retry-on-connection-loss.ts";
import { SessionKeeper, type SessionSource } from "../metadata/session-keeper.ts";
import { type TopologySource, WatchedTopology } from "../metadata/topology.ts";
import { groupRegister } from "../replication/group-register.ts";
import { type PeerAt, type SilenceReport, withinCluster } from "../replication/peer.ts";
import { requireGroup, requireNode, requirePrimary } from "../ring/require.ts";
import type { Pace } from "../ring/ring-change.ts";
import type { AskReport } from "./group-report.ts";
import { removeGroup } from "./remove-group.ts";
import {
  type AbortedChange,
  type PacedChange,
  type RequestedChange,
  RingAdmin,
  type WithdrawnChanges,
} from "./ring-admin.ts";
import type { RingStatus } from "./ring-status.ts";

export interface RouterNodeOptions {
  readonly openSession: OpenSession;
  readonly clock: Clock;
  /** Access mode for the znodes that the router creates. */
  readonly access: Access;
  readonly peerAt: PeerAt;
  readonly askReport: AskReport;
  readonly whoAnswers: AskWhoAnswers;
  /** Virtual nodes of the ring, if this router creates it as the master. */
  readonly virtualNodes: number;
  /** Whether new groups enter the ring by themselves while this router is the master. Default `enter`. */
  readonly newGroups?: NewGroups;
  readonly log: (message: string) => void;
  /** Called when the router cannot continue, for example because an operator has to decide. */
  readonly onFailure: (error: unknown) => void;
}

/** One router. It knows the topology, and manages the groups while it is the master. */
export class RouterNode {
  readonly topology: TopologySource;
  readonly #options: RouterNodeOptions;
  readonly #sessions: SessionKeeper;
  readonly #ring: RingAdmin;
  /** Set while this router is the master. */
  #master: Master | undefined;
  /** Aborted when it is no longer the master. */
  #mastership = new AbortController();
  #cluster: string | undefined;

  constructor(options: RouterNodeOptions) {
    const { openSession, clock, log, onFailure } = options;
    this.#options = { ...options, peerAt: withinCluster(options.peerAt, () => this.#cluster) };
    this.#sessions = new SessionKeeper({ open: openSession, clock, onDiagnostic: log });
    this.#sessions.done.catch(onFailure);
    this.topology = new WatchedTopology({ sessions: this.#sessions, clock, onDiagnostic: log });
    this.#ring = new RingAdmin({
      ...this.#options,
      topology: this.topology,
      session: () => this.#sessions.current,
    });
  }

  /** The sessions of this node, for what is not of the node itself. */
  get sessions(): SessionSource {
    return this.#sessions;
  }

  /**
   * Registers the router at the address where it already listens, and keeps it registered. Resolves when it has joined
   * for the first time.
   */
  join(address: Address): Promise<void> {
    const joined = Promise.withResolvers<void>();
    const { clock, access, log, onFailure } = this.#options;
    const registrar = new RouterRegistrar(address, this.#options.whoAnswers);
    new RegistrationKeeper({
      sessions: this.#sessions,
      clock,
      access,
      onDiagnostic: log,
      // A client that finds this router must get answers from it, so the topology is read first.
      register: async (task) => {
        await this.topology.waitUntil(() => true, task.signal);
        await this.#enterCluster(task);
        return await registrar.register(task);
      },
      onChange: (registration) => {
        this.#mastership.abort(new Error("no longer master"));
        this.#master = undefined;
        if (registration === undefined) return;
        joined.resolve();
        if (!isMaster(registration)) {
          log(`registered as router ${registration.number}`);
          return;
        }
        log("registered as router 0, the master");
        this.#mastership = new AbortController();
        this.#master = new Master({
          ...this.#options,
          newGroups: this.#options.newGroups ?? "enter",
          topology: this.topology,
          session: registration.session,
          signal: this.#mastership.signal,
        });
        this.#master.lead().catch(onFailure);
      },
    });
    return joined.promise;
  }

  async #enterCluster(task: Task): Promise<void> {
    try {
      this.#cluster = await enterCluster(task, { own: this.#cluster, who: "this router" });
    } catch (error) {
      if (error instanceof ForeignCluster) this.#options.onFailure(error);
      throw error;
    }
  }

  /** As `Peer.reportSilence`. */
  async reportSilence(report: SilenceReport): Promise<boolean> {
    checkCaller(this.#cluster, report.cluster);
    if (this.#master?.connected !== true) {
      throw new OperationError("unavailable", "this router is not the master");
    }
    return await this.#master.replaceSilent(report);
  }

  /** Transfers the leadership of a group to a node. Returns the new epoch. Errors: not-found, refused, unavailable. */
  async transferLeadership(group: string, number: number, signal: AbortSignal): Promise<number> {
    const view = requireGroup(this.topology.current, group);
    requireNode(view, number);
    const { address } = requirePrimary(group, view);
    return await this.#options.peerAt(address).transferLeadership({ group, number }, signal);
  }

  /**
   * Gives a group whose in-sync replicas are gone another primary, with the consent of an operator. Otherwise the error
   * says what would be lost. Errors: not-found, data-loss, refused, unavailable.
   */
  async recover(group: string, consent: Consent, signal: AbortSignal): Promise<Recovery> {
    const view = requireGroup(this.topology.current, group);
    const session = () => this.#sessions.current;
    const { access, onFailure, log } = this.#options;
    const recovery = await recoverGroup({
      ...this.#options,
      group: view,
      register: groupRegister({ session, access, group, onFailure }),
      logs: groupLogsRegister({ session, access, group }),
      consent,
      signal,
    });
    log(`recovered with data loss, on an operator's word: ${recovery.loss}`);
    return recovery;
  }

  /** The ring, how the keys are spread, and how far a change is. Errors: unavailable. */
  ring(signal: AbortSignal): Promise<RingStatus> {
    return this.#ring.status(signal);
  }

  /**
   * Begins a change of the ring, or has it wait for others. `dryRun`: only says what would move. Errors: invalid, not-found,
   * refused, unavailable, outcome-unknown.
   */
  changeRing(
    request: RingRequest,
    { dryRun = false }: { readonly dryRun?: boolean },
    signal: AbortSignal,
  ): Promise<RequestedChange> {
    return this.#ring.change(request, dryRun, signal);
  }

  /**
   * Pauses the change under way or lets it go on. `change`: its id; undefined: whichever it is. Errors: invalid, refused,
   * unavailable, outcome-unknown.
   */
  paceRing(pace: Pace, change: number | undefined, signal: AbortSignal): Promise<PacedChange> {
    return this.#ring.pace(pace, change, signal);
  }

  /**
   * Aborts the change under way: what has moved goes back. `change`: as in `paceRing`. Errors: refused, unavailable,
   * outcome-unknown.
   */
  abortRing(change: number | undefined, signal: AbortSignal): Promise<AbortedChange> {
    return this.#ring.abort(change, signal);
  }

  /** Takes a request out of those that wait, or all of them. Errors: invalid, refused, unavailable, outcome-unknown. */
  withdrawRing(request: RingRequest | undefined, signal: AbortSignal): Promise<WithdrawnChanges> {
    return this.#ring.withdraw(request, signal);
  }

  /** Removes a group that is outside the ring: see `removeGroup`. Errors: not-found, refused, unavailable. */
  async removeGroup(name: string, signal: AbortSignal): Promise<void> {
    const topology = this.topology.current;
    if (topology === undefined) throw new OperationError("unavailable", this.topology.unreadReason);
    await removeGroup(name, { ...this.#options, topology, session: () => this.#sessions.current, signal });
  }

  /** Leaves the cluster at once, so that others take over. */
  async leave(): Promise<void> {
    this.#mastership.abort(new Error("the router is stopping"));
    await this.#sessions.stop();
  }
}
