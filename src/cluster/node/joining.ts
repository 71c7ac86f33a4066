import type { Address } from "../../common/address.ts";
import { createBackoff } from "../../common/backoff.ts";
import type { Clock } from "../../common/clock.ts";
import { InvariantError } from "../../common/invariant.ts";
import type { Access } from "../../coordination/coordination.ts";
import { DataNodeRegistrar } from "../membership/data-node-registrar.ts";
import type { AskWhoAnswers } from "../membership/registration.ts";
import { type Registration, RegistrationKeeper } from "../membership/registration-keeper.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import { enterCluster, ForeignCluster } from "../metadata/cluster-id.ts";
import { explain, withoutRepetition } from "../metadata/diagnostics.ts";
import type { GroupLogs, GroupView, Member, RingState } from "../metadata/model.ts";
import type { Task } from "../metadata/retry-on-connection-loss.ts";
import type { SessionKeeper } from "../metadata/session-keeper.ts";
import { isFull } from "../replication/disk-diagnostics.ts";
import type { GroupRegister } from "../replication/group-register.ts";
import { OperatorAwaited, RejoinRefused, rejoinGroup } from "../replication/rejoin.ts";
import { lastEpochOf } from "../ring/ring-change.ts";
import type { LogStore } from "../storage/log-store.ts";

export interface JoiningOptions {
  readonly group: string;
  readonly store: LogStore;
  readonly clock: Clock;
  readonly sessions: SessionKeeper;
  readonly access: Access;
  readonly whoAnswers: AskWhoAnswers;
  readonly state: GroupRegister;
  readonly logs: CasRegister<GroupLogs>;
  readonly ring: Pick<CasRegister<RingState>, "read">;
  /** The node has joined the group as this member. */
  readonly onPlace: (self: Member) => void;
  /** Called after each change of `state`. */
  readonly onState: () => void;
  readonly log: (message: string) => void;
  /** The node cannot join the cluster: an operator has to decide. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * `outside`: the node is not registered. `rejoining`: it is registered, and its log is being brought back into the group's
 * state. `joined`: it is a member of the group, until its registration ends.
 */
export type JoiningState = "outside" | "rejoining" | "joined";

/** Makes a data node join its cluster and group, and join again after each loss of its session. */
export class Joining {
  readonly #options: JoiningOptions;
  #state: JoiningState = "outside";
  #cluster: string | undefined;
  /** The current registration. */
  #self: Member | undefined;
  /** Aborted when the registration ends. */
  #registered = new AbortController();
  #view: GroupView | undefined;
  /** Version of the group's state that has this life of the node, or has the node not in sync at all. */
  #settledVersion = 0;

  constructor(options: JoiningOptions) {
    this.#options = options;
  }

  get state(): JoiningState {
    return this.#state;
  }

  /**
   * The current registration, once the log has its number: without, the log would be nobody's after a crash. It may still
   * wait for its place in the group, or for an operator.
   */
  get named(): Member | undefined {
    return this.#self?.number === this.#options.store.identity?.number ? this.#self : undefined;
  }

  /** Id of the cluster. Undefined before the node has entered it for the first time. */
  get cluster(): string | undefined {
    return this.#cluster;
  }

  /** Registers the node at its address, and keeps it registered. Resolves when it has joined for the first time. */
  join(address: Address): Promise<void> {
    const joined = Promise.withResolvers<void>();
    const { group, store, sessions, clock, access, whoAnswers, log, onFailure } = this.#options;
    if (store.isCopy) {
      log("the log is a copy, whose original may have gone on: it gets a number of its own, and catches up");
    }
    const registrar = new DataNodeRegistrar({
      group,
      address,
      number: store.isCopy ? undefined : store.identity?.number,
      whoAnswers,
    });
    new RegistrationKeeper({
      sessions,
      clock,
      access,
      register: async (task) => {
        await this.#enterCluster(task);
        return await registrar.register(task);
      },
      onDiagnostic: log,
      onChange: (registration) => {
        this.#changed(registration).then((taken) => {
          if (taken) joined.resolve();
        }, onFailure);
      },
    });
    return joined.promise;
  }

  /**
   * The group's state has changed. If it has come to name an earlier life of this node, the node rejoins: whoever made the
   * change did not know yet that it has registered again, and nobody can promote that earlier life. A router does so that
   * recovers the group, or a primary that adds the node to the set.
   */
  observe(view: GroupView): void {
    this.#view = view;
    const { state } = view;
    const self = this.#self;
    if (state === undefined || self === undefined || this.#state !== "joined") return;
    if (state.version <= this.#settledVersion) return;
    const mine = state.value.inSync.find(({ number }) => number === self.number);
    if (mine === undefined || mine.incarnation === self.incarnation) return;
    this.#become("rejoining");
    this.#rejoin(self, this.#registered.signal).catch(this.#options.onFailure);
  }

  #become(state: JoiningState): void {
    this.#state = state;
    this.#options.onState();
  }

  /** Handles a new registration, or the end of the last one. Resolves with whether the node has joined. */
  async #changed(registration: Registration | undefined): Promise<boolean> {
    this.#registered.abort(new Error("the registration is over"));
    this.#registered = new AbortController();
    this.#self = undefined;
    this.#become(registration === undefined ? "outside" : "rejoining");
    if (registration === undefined) return false;
    const self = { number: registration.number, incarnation: registration.incarnation };
    this.#self = self;
    return await this.#rejoin(self, this.#registered.signal);
  }

  /** Brings the log back into the group's state, with retries. False when the registration has ended. */
  async #rejoin(self: Member, signal: AbortSignal): Promise<boolean> {
    const { store, group, state, logs, ring, clock, onPlace, log } = this.#options;
    const removedEpoch = async () => lastEpochOf((await ring.read())?.value, group);
    await this.#adopt(self.number);
    const tell = withoutRepetition(log);
    const pause = createBackoff(clock, 50, 2000);
    while (!signal.aborted) {
      try {
        const { version } = await rejoinGroup({ group, self, store, state, logs, removedEpoch });
        this.#settledVersion = version;
        if (signal.aborted) break;
        onPlace(self);
        this.#become("joined");
        log(`registered as node ${self.number} of group "${group}"`);
        // What was seen since the state was read has not been looked at yet.
        if (this.#view !== undefined) this.observe(this.#view);
        return true;
      } catch (error) {
        if (error instanceof RejoinRefused || error instanceof InvariantError) throw error;
        const lasts = error instanceof OperatorAwaited || isFull(error);
        if (lasts) tell(error.message);
        await pause.wait(signal);
        if (signal.aborted || lasts) continue;
        tell(`joining group "${group}" again: ${explain(error)}`);
      }
    }
    return false;
  }

  /** Checks that the znodes belong to the same cluster as the log and this node. */
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

  /** Writes this node's identity into the log's header, unless it is there or only a snapshot can repair the log. */
  async #adopt(number: number): Promise<void> {
    const { store, group } = this.#options;
    const { identity, isCopy, condition } = store;
    if (identity?.cluster !== undefined && !isCopy) return;
    if (identity !== undefined && !isCopy && condition.kind === "damaged") return;
    await store.adopt({ cluster: this.#cluster ?? "", group, number });
  }
}
