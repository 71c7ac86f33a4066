import type { Clock } from "../clock.ts";
import type { LogStore } from "../log-store.ts";
import type { GroupState, GroupView, Member } from "../model.ts";
import type { AppendRequest, AppendResponse, PeerAt } from "../peer.ts";
import type { Register } from "../register.ts";
import { Primary } from "./primary.ts";
import type { ReplicationSettings } from "./settings.ts";
import { Standby } from "./standby.ts";

export interface ReplicaOptions {
  readonly group: string;
  readonly store: LogStore;
  readonly clock: Clock;
  readonly peerAt: PeerAt;
  readonly register: Register<GroupState>;
  readonly settings: ReplicationSettings;
  readonly log: (message: string) => void;
}

/** One replica of a group: always able to stand by, and the primary while the group's state names it. */
export class Replica {
  readonly #options: ReplicaOptions;
  readonly #standby: Standby;
  /** This life of the registration; undefined while not registered. */
  #self: Member | undefined;
  #view: GroupView | undefined;
  #primary: Primary | undefined;
  /** Epoch that this node is being made primary of. */
  #taking = 0;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#standby = new Standby(options.store, options.clock, options.settings.leaseMs);
  }

  /** Set while this node is the primary, as far as it knows. */
  get primary(): Primary | undefined {
    return this.#primary;
  }

  /** Seq up to which this node knows its records to be committed. */
  get committedSeq(): number {
    return Math.max(this.#standby.committedSeq, this.#primary?.committedSeq ?? 0);
  }

  /** Says who this node is from now on. A primary stays one until the state says otherwise. */
  registered(self: Member): void {
    this.#self = self;
    if (this.#view !== undefined) this.observe(this.#view);
  }

  /** Takes in the group as ZooKeeper has it now. */
  observe(view: GroupView): void {
    this.#view = view;
    const { state } = view;
    this.#primary?.observe(view.nodes, state);
    const named = state?.value.primary;
    if (state === undefined || named === undefined || this.#self === undefined) return;
    if (named.number !== this.#self.number || named.incarnation !== this.#self.incarnation) return;
    const epoch = state.value.epoch;
    if (epoch <= Math.max(this.#taking, this.#primary?.epoch ?? 0)) return;
    this.#taking = epoch;
    void this.#takeOver(epoch);
  }

  /** Handles a primary's message. Rejects when it is not meant for this life of this node, or the disk fails. */
  async append(request: AppendRequest): Promise<AppendResponse> {
    const { group, store } = this.#options;
    const self = this.#self;
    const meant = `${request.group}/${request.target} (${request.incarnation})`;
    if (
      request.group !== group ||
      request.target !== self?.number ||
      request.incarnation !== self.incarnation
    ) {
      throw new Error(`message for ${meant} has reached ${group}/${self?.number} (${self?.incarnation})`);
    }
    if (request.epoch > store.promisedEpoch) this.#stepDown(`epoch ${request.epoch} has begun`);
    else if (request.epoch === this.#primary?.epoch || request.epoch === this.#taking) {
      throw new Error(
        `node ${request.primary} claims epoch ${request.epoch}, of which this node is the primary`,
      );
    }
    return await this.#standby.append(request);
  }

  stop(): void {
    this.#stepDown("the node is stopping");
  }

  async #takeOver(epoch: number): Promise<void> {
    const { store, log, ...options } = this.#options;
    this.#stepDown(`epoch ${epoch} begins`);
    try {
      await this.#standby.promise(epoch);
    } catch {
      return; // The store stops the process.
    }
    const state = this.#view?.state;
    // A later epoch may have begun meanwhile.
    if (store.promisedEpoch !== epoch || state?.value.epoch !== epoch || this.#self === undefined) return;
    log(`becoming primary of epoch ${epoch}`);
    const primary: Primary = new Primary({
      ...options,
      store,
      log,
      self: this.#self.number,
      state,
      nodes: this.#view?.nodes ?? [],
      leaseLeftMs: this.#standby.leaseLeftMs,
      onDeposed: (reason) => {
        log(`no longer primary: ${reason}`);
        if (this.#primary === primary) this.#primary = undefined;
      },
    });
    this.#primary = primary;
  }

  #stepDown(reason: string): void {
    this.#primary?.stop(reason);
    this.#primary = undefined;
  }
}
