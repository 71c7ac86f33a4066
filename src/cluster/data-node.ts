import { type Access, CoordinationError } from "../coordination/coordination.ts";
import { createBackoff } from "./backoff.ts";
import { type Clock, withTimeout } from "./clock.ts";
import { formatGroupState, formatRingState, parseGroupState, parseRingState } from "./codec.ts";
import { KvError } from "./errors.ts";
import { checkKey, checkValue } from "./limits.ts";
import type { LogStore, StoredValue } from "./log-store.ts";
import type { GroupState, Member, RingState, Topology, Versioned } from "./model.ts";
import { groupStatePath, ringPath } from "./paths.ts";
import type { AppendRequest, AppendResponse, CountMisplacedRequest, PeerAt } from "./peer.ts";
import { ownerOf } from "./placement.ts";
import { type Register, znodeRegister } from "./register.ts";
import { ClaimRefused, claimMembership } from "./replication/claim.ts";
import type { Primary, StandbyProgress } from "./replication/primary.ts";
import { Replica } from "./replication/replica.ts";
import type { ReplicationSettings } from "./replication/settings.ts";
import { HashRing } from "./ring.ts";
import type { Sessions } from "./sessions.ts";
import type { TopologySource } from "./topology.ts";
import { explain } from "./trouble.ts";

/** Longest wait until this node sees a ring that it has changed itself. */
const closeTimeoutMs = 5000;

export interface DataNodeOptions {
  readonly group: string;
  readonly store: LogStore;
  readonly sessions: Sessions;
  readonly topology: TopologySource;
  readonly clock: Clock;
  readonly access: Access;
  readonly peerAt: PeerAt;
  readonly settings: ReplicationSettings;
  readonly valueBytesMax: number;
  readonly log: (message: string) => void;
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
}

/** One data node: a replica of a group, and the group's keys for as long as it is the primary. */
export class DataNode {
  readonly group: string;
  readonly #options: DataNodeOptions;
  readonly #replica: Replica;
  readonly #state: Register<GroupState>;
  readonly #ring: Register<RingState>;
  readonly #stopWatching: () => void;
  readonly #stopped = new AbortController();
  /** The first writes wait for this together. */
  #closing: Promise<void> | undefined;
  #number: number;

  constructor(options: DataNodeOptions) {
    const { group, sessions, access, topology, store } = options;
    this.group = group;
    this.#options = options;
    this.#number = store.identity?.number ?? 0;
    this.#state = znodeRegister({
      sessions,
      access,
      path: groupStatePath(group),
      parse: parseGroupState,
      format: formatGroupState,
    });
    this.#ring = znodeRegister({
      sessions,
      access,
      path: ringPath,
      parse: parseRingState,
      format: formatRingState,
    });
    this.#replica = new Replica({ ...options, register: this.#state });
    this.#stopWatching = topology.onChange((next) => this.#observe(next));
    if (topology.current !== undefined) this.#observe(topology.current);
  }

  /**
   * Takes up the place in the group that a registration has given. Tries until it is done or `signal` is aborted.
   * Errors: ClaimRefused.
   */
  async registered(self: Member, signal: AbortSignal): Promise<void> {
    const { store, group, clock, log } = this.#options;
    if (store.identity === undefined) await store.adopt({ group, number: self.number });
    const pause = createBackoff(clock, 50, 2000);
    while (!signal.aborted) {
      try {
        await claimMembership(self, store, this.#state);
        this.#number = self.number;
        this.#replica.registered(self);
        return;
      } catch (error) {
        if (error instanceof ClaimRefused) throw error;
        await pause.wait(signal);
        if (!signal.aborted) log(`joining group "${group}" again: ${explain(error)}`);
      }
    }
  }

  /** Errors: those of `kvlab.v1.DataService.Get`. */
  async get(key: string, signal: AbortSignal): Promise<StoredValue> {
    checkKey(key);
    const { primary } = this.#place(key);
    return await primary.read(key, signal);
  }

  /** Returns the revision. Errors: those of `kvlab.v1.DataService.Put`. */
  async put(key: string, value: Uint8Array, text: boolean, signal: AbortSignal): Promise<number> {
    checkKey(key);
    checkValue(value, this.#options.valueBytesMax);
    const primary = await this.#placeForWrite(key);
    return await primary.write({ kind: "put", key, value, text }, signal);
  }

  /** Returns the revision. Errors: those of `kvlab.v1.DataService.Delete`. */
  async delete(key: string, signal: AbortSignal): Promise<number> {
    checkKey(key);
    const primary = await this.#placeForWrite(key);
    return await primary.write({ kind: "delete", key, value: new Uint8Array(), text: false }, signal);
  }

  append(request: AppendRequest): Promise<AppendResponse> {
    return this.#replica.append(request);
  }

  /** How many keys another ring would place in other groups. Errors: this node is not the primary. */
  countMisplaced({ group, ringGroups, virtualNodes }: CountMisplacedRequest): number {
    const reason = group === this.group ? this.#unavailable() : `it belongs to group "${this.group}"`;
    if (reason !== undefined) throw new Error(`this node cannot speak for group "${group}": ${reason}`);
    const ring = new HashRing(ringGroups, { virtualNodes });
    let count = 0;
    for (const key of this.#options.store.keys()) if (ring.owner(key) !== group) count++;
    return count;
  }

  status(): NodeStatus {
    const { store } = this.#options;
    const { primary } = this.#replica;
    return {
      group: this.group,
      number: this.#number,
      primary: primary !== undefined,
      epoch: store.promisedEpoch,
      lastSeq: store.last.seq,
      committedSeq: this.#replica.committedSeq,
      keys: store.keyCount,
      logBytes: store.fileBytes,
      garbageBytes: store.garbageBytes,
      standbys: primary?.standbys ?? [],
      unavailable: this.#unavailable(),
    };
  }

  /** Ends the replica; the store and the sessions are closed by who has opened them. */
  stop(): void {
    this.#stopWatching();
    this.#stopped.abort(new Error("the node is stopping"));
    this.#replica.stop();
  }

  #observe(topology: Topology): void {
    const view = topology.groups.get(this.group);
    if (view !== undefined) this.#replica.observe(view);
  }

  #unavailable(): string | undefined {
    const { primary } = this.#replica;
    return primary === undefined ? "this node is not the primary" : primary.unavailable;
  }

  /** The ring that says the key is ours, and ourselves as primary. Throws where the key is instead. */
  #place(key: string): { primary: Primary; ring: RingState } {
    const topology = this.#options.topology.current;
    const owner = topology && ownerOf(topology, key);
    const ring = topology?.ring?.value;
    if (owner === undefined || ring === undefined) {
      throw new KvError("unavailable", "this node has not seen a ring with groups yet");
    }
    const { primary } = this.#replica;
    const shown = JSON.stringify(key.length > 64 ? `${key.slice(0, 64)}…` : key);
    if (owner.group !== this.group) {
      throw new KvError("wrong-node", `key ${shown} belongs to group "${owner.group}"`, { owner });
    }
    if (primary === undefined) {
      throw new KvError("wrong-node", `this node is not the primary of group "${this.group}"`, { owner });
    }
    return { primary, ring };
  }

  /** As `#place`; before the first write of all, the ring is closed to new groups, which would take over keys. */
  async #placeForWrite(key: string): Promise<Primary> {
    const { primary, ring } = this.#place(key);
    if (ring.written) return primary;
    this.#closing ??= this.#closeRing().finally(() => {
      this.#closing = undefined;
    });
    try {
      await this.#closing;
    } catch (error) {
      throw new KvError("unavailable", "the ring could not be marked as written to", { cause: error });
    }
    return this.#place(key).primary;
  }

  async #closeRing(): Promise<void> {
    for (let closed = false; !closed; ) {
      const found = await this.#ring.read();
      if (found === undefined) throw new Error("there is no ring");
      closed = found.value.written || (await this.#markWritten(found));
    }
    const { clock, topology } = this.#options;
    await withTimeout(clock, closeTimeoutMs, this.#stopped.signal, (signal) =>
      topology.waitUntil(({ ring }) => ring?.value.written === true, signal),
    );
  }

  /** False when the ring has changed in between. */
  async #markWritten({ value, version }: Versioned<RingState>): Promise<boolean> {
    try {
      await this.#ring.compareAndSet({ ...value, version: value.version + 1, written: true }, version);
      return true;
    } catch (error) {
      if (CoordinationError.is(error, "BAD_VERSION")) return false;
      throw error;
    }
  }
}
