import { type Clock, sleep } from "../../common/clock.ts";
import { InvariantError } from "../../common/invariant.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import { type GroupLogs, type GroupView, hasMember, isSameMember, type Member } from "../metadata/model.ts";
import { refused } from "../metadata/operation-error.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import { diskProblem, fullRetryMs, isFull } from "./disk-diagnostics.ts";
import { DiskMonitor } from "./disk-monitor.ts";
import { FailureDetector } from "./failure-detector.ts";
import type { GroupRegister } from "./group-register.ts";
import { isCurrent } from "./group-state.ts";
import type { AppendRequest, AppendResponse, IncomingStream, PeerAt } from "./peer.ts";
import { Primary } from "./primary.ts";
import { brokenMs, heartbeatMs, type ReplicationSettings, silenceMs } from "./settings.ts";
import { Standby } from "./standby.ts";

export interface ReplicaOptions {
  readonly group: string;
  readonly store: ReplicaLog;
  readonly clock: Clock;
  readonly peerAt: PeerAt;
  readonly register: GroupRegister;
  readonly logs: CasRegister<GroupLogs>;
  readonly settings: ReplicationSettings;
  /** Reports to the master that the primary of this epoch is silent. Returns whether this node has replaced it. */
  readonly reportSilence: (epoch: number, self: Member) => Promise<boolean>;
  /** Called when this node becomes the primary, and with undefined when it no longer is. */
  readonly onPrimary: (primary: Primary | undefined) => void;
  readonly log: (message: string) => void;
  /** Called with the error that must end the process. */
  readonly onFailure: (error: unknown) => void;
}

/** One replica of a group: a standby, or the primary while the group's state names it. */
export class Replica {
  readonly #options: ReplicaOptions;
  readonly #standby: Standby;
  /** The current registration. Undefined while not registered. */
  #self: Member | undefined;
  #view: GroupView | undefined;
  #primary: Primary | undefined;
  readonly #silence: FailureDetector;
  readonly #disk: DiskMonitor;
  /** The latest epoch of each open stream over which a message was accepted. */
  readonly #streams = new Map<IncomingStream, number>();
  readonly #stopped = new AbortController();
  /** Epoch whose primary this node is about to become. */
  #taking = 0;
  #takingSinceMs = 0;
  /** Number of the last primary seen. */
  #former: number | undefined;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    const { store, clock, settings } = options;
    const isOutside = (epoch: number, primary: number) => this.#isOutside(epoch, primary);
    this.#standby = new Standby({ store, clock, leaseMs: settings.leaseMs, isOutside });
    this.#silence = new FailureDetector({
      clock,
      tickMs: heartbeatMs(settings),
      silenceMs: silenceMs(settings),
      brokenMs: brokenMs(settings),
      awaited: () => this.#awaitedEpoch(),
      heardMs: () => this.#standby.heardMs,
      report: async (epoch) => this.#self !== undefined && (await options.reportSilence(epoch, this.#self)),
      signal: this.#stopped.signal,
    });
    this.#disk = new DiskMonitor({
      clock,
      tickMs: heartbeatMs(settings),
      limitMs: settings.standbyTimeoutMs,
      stuckMs: () => this.#stuckMs(),
      serves: () => this.#primary !== undefined && this.#primary.unavailable === undefined,
      passOn: () => this.#passOn(),
    });
    this.#beat();
  }

  /** All that is to be done every now and then, in one turn: waking up costs an idle process most. */
  #beat(): void {
    const { clock, settings } = this.#options;
    clock.timer(heartbeatMs(settings), () => {
      if (this.#stopped.signal.aborted) return;
      this.#silence.look();
      this.#disk.look();
      this.#primary?.beat();
      this.#beat();
    });
  }

  /** Set while this node is the primary, as far as it knows. */
  get primary(): Primary | undefined {
    return this.#primary;
  }

  /** Why this node serves no keys now. Undefined while it does. */
  get unavailable(): string | undefined {
    return this.#primary === undefined ? "this node is not the primary" : this.#primary.unavailable;
  }

  /** Highest seq that this node knows to be committed. */
  get committedSeq(): number {
    return this.#options.store.committedSeq;
  }

  /** Sets the current registration of this node. A primary remains primary until the state says otherwise. */
  registered(self: Member): void {
    this.#self = self;
    if (this.#view !== undefined) this.observe(this.#view);
  }

  /** Updates the group's view, as ZooKeeper has it now. */
  observe(view: GroupView): void {
    this.#view = view;
    const { state } = view;
    this.#primary?.observe(view.nodes, state);
    const named = state?.value.primary;
    if (state === undefined || named === undefined || this.#self === undefined) return;
    const former = this.#former;
    this.#former = named.number;
    if (!isSameMember(named, this.#self)) return;
    const epoch = state.value.epoch;
    if (epoch <= Math.max(this.#taking, this.#primary?.epoch ?? 0)) return;
    this.#taking = epoch;
    this.#takingSinceMs = this.#options.clock.monotonicMs();
    void this.#takeOver(epoch, former);
  }

  /**
   * Begins a stream of messages of a primary. Errors of a message: OperationError `refused` (it is for another
   * incarnation, or must not be answered); those of the disk.
   */
  openStream(): IncomingStream {
    const stream: IncomingStream = {
      append: async (request) => {
        this.#check(request);
        this.#hears(stream, request.epoch);
        return await this.#append(request);
      },
      ended: () => this.#ended(stream),
    };
    return stream;
  }

  /** Throws when a message must not be answered. */
  #check(request: AppendRequest): void {
    const { group, store } = this.#options;
    const self = this.#self;
    const meant = `${request.group}/${request.target} (${request.incarnation})`;
    if (
      request.group !== group ||
      request.target !== self?.number ||
      request.incarnation !== self.incarnation
    ) {
      throw refused(`message for ${meant} has reached ${group}/${self?.number} (${self?.incarnation})`);
    }
    if (request.epoch === this.#silence.reported) {
      throw refused(`the primary of epoch ${request.epoch} has been silent for too long`);
    }
    if (request.epoch > store.promisedEpoch) this.#stepDown(`epoch ${request.epoch} has begun`);
    else if (request.epoch === this.#primary?.epoch || request.epoch === this.#taking) {
      throw refused(
        `node ${request.primary} claims epoch ${request.epoch}, of which this node is the primary`,
      );
    }
  }

  async #append(request: AppendRequest): Promise<AppendResponse> {
    try {
      return await this.#standby.append(request);
    } catch (error) {
      if (error instanceof InvariantError) this.#options.onFailure(error);
      throw error;
    }
  }

  #hears(stream: IncomingStream, epoch: number): void {
    if (this.#streams.get(stream) === epoch) return;
    this.#streams.set(stream, epoch);
    this.#silence.connected(epoch);
  }

  #ended(stream: IncomingStream): void {
    const epoch = this.#streams.get(stream);
    this.#streams.delete(stream);
    if (epoch !== undefined && ![...this.#streams.values()].includes(epoch)) this.#silence.broke(epoch);
  }

  stop(): void {
    this.#stopped.abort(new Error("the node is stopping"));
    this.#stepDown("the node is stopping");
  }

  /** The epoch of the primary that this node should hear from, if it is one of its in-sync standbys. */
  #awaitedEpoch(): number | undefined {
    const state = this.#view?.state?.value;
    const self = this.#self;
    if (state?.primary === undefined || self === undefined || state.primary.number === self.number)
      return undefined;
    return hasMember(state.inSync, self) ? state.epoch : undefined;
  }

  /** Whether the state, as last read, has this primary of this epoch, and this node not in sync, in whatever incarnation. */
  #isOutside(epoch: number, primary: number): boolean {
    const state = this.#view?.state?.value;
    if (state?.epoch !== epoch || state.primary?.number !== primary) return false;
    return !state.inSync.some(({ number }) => number === this.#self?.number);
  }

  /** Whether the state, as last read, names this incarnation of this node as primary. */
  get #isNamed(): boolean {
    const named = this.#view?.state?.value.primary;
    return named !== undefined && this.#self !== undefined && isSameMember(named, this.#self);
  }

  /** How long the disk has kept this node from working as primary. 0 when it does not. */
  #stuckMs(): number {
    const { store, clock } = this.#options;
    if (!this.#isNamed) return 0;
    const isBeginning = this.#primary === undefined || this.#primary.unavailable !== undefined;
    // A primary whose epoch has begun answers reads even if its disk is full.
    const fullMs = isBeginning && store.full !== undefined ? clock.monotonicMs() - this.#takingSinceMs : 0;
    return Math.max(store.stalledMs, fullMs);
  }

  /**
   * Makes another in-sync member the primary of the next epoch. It has everything that was acknowledged, so there is
   * nothing to wait for. Returns false when there is no such member, or the state has changed. Rejects as the register
   * does. If the change was made all the same, this primary can commit nothing more, and will see the new state.
   */
  async #passOn(): Promise<boolean> {
    const { register, store, settings, log } = this.#options;
    const view = this.#view;
    const state = this.#primary?.state ?? view?.state;
    if (view === undefined || state === undefined || this.#self === undefined) return false;
    const { number: primary } = this.#self;
    const { epoch, inSync } = state.value;
    const live = inSync.filter((member) => hasMember(view.nodes, member));
    const others = live.filter(({ number }) => number !== primary);
    const heir = this.#primary === undefined ? others[0] : this.#primary.heirOf(others);
    if (heir === undefined) return false;
    const reason = diskProblem(store, settings);
    const by = { epoch, primary };
    if (!isCurrent(by, state.value)) return false;
    const done = await register.change(state, { kind: "transfer", by, to: heir });
    log(`node ${heir.number} takes the place of this node as primary of epoch ${epoch}: ${reason}`);
    if (this.#view !== undefined) this.observe({ ...this.#view, state: done });
    return true;
  }

  async #takeOver(epoch: number, former: number | undefined): Promise<void> {
    const { store, log, ...options } = this.#options;
    this.#stepDown(`epoch ${epoch} begins`);
    const isPromised = await this.#promise(epoch);
    const state = this.#view?.state;
    if (this.#stopped.signal.aborted) return;
    // A later epoch may have begun meanwhile, or this node may have registered again, which ends its term.
    const isOver = !isPromised || store.promisedEpoch !== epoch || !this.#isNamed;
    if (this.#self === undefined || state?.value.epoch !== epoch || isOver) {
      // Or the state could just not be read: the next one may name this node for this epoch still.
      if (this.#taking === epoch && store.promisedEpoch <= epoch) this.#taking = 0;
      return;
    }
    log(`becoming primary of epoch ${epoch}`);
    const primary: Primary = new Primary({
      ...options,
      store,
      log,
      self: this.#self.number,
      state,
      nodes: this.#view?.nodes ?? [],
      former,
      leaseLeftMs: this.#standby.leaseLeftMs,
      onDeposed: (reason) => {
        log(`no longer primary: ${reason}`);
        if (this.#primary === primary) this.#setPrimary(undefined);
      },
    });
    this.#setPrimary(primary);
  }

  /** Promises the epoch, with retries while the disk is full. False when this node must no longer take over. */
  async #promise(epoch: number): Promise<boolean> {
    const { clock } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted && this.#taking === epoch && this.#view?.state?.value.epoch === epoch) {
      try {
        await this.#standby.promise(epoch);
        return true;
      } catch (error) {
        if (!isFull(error)) return false; // The store stops the process.
        await sleep(clock, fullRetryMs, signal);
      }
    }
    return false;
  }

  #stepDown(reason: string): void {
    this.#primary?.stop(reason);
    this.#setPrimary(undefined);
  }

  #setPrimary(primary: Primary | undefined): void {
    if (primary === this.#primary) return;
    this.#primary = primary;
    this.#options.onPrimary(primary);
  }
}
