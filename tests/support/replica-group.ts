import { candidates, replacements, successorOf } from "../../src/cluster/election/promotion.ts";
import type { KvStateMachine } from "../../src/cluster/kv/kv-state-machine.ts";
import type { WriteOperation, WriteRequest } from "../../src/cluster/kv/write-plan.ts";
import type { CasRegister } from "../../src/cluster/metadata/cas-register.ts";
import type {
  GroupLogs,
  GroupState,
  GroupView,
  Member,
  NodeView,
  Versioned,
} from "../../src/cluster/metadata/model.ts";
import { GroupRegister } from "../../src/cluster/replication/group-register.ts";
import { apply } from "../../src/cluster/replication/group-state.ts";
import type {
  AppendRequest,
  IncomingStream,
  Peer,
  ReplicationStream,
} from "../../src/cluster/replication/peer.ts";
import type { Primary } from "../../src/cluster/replication/primary.ts";
import { rejoinGroup } from "../../src/cluster/replication/rejoin.ts";
import { Replica } from "../../src/cluster/replication/replica.ts";
import {
  defaultReplicationSettings,
  type ReplicationSettings,
} from "../../src/cluster/replication/settings.ts";
import type { LogStore } from "../../src/cluster/storage/log-store.ts";
import type { Position } from "../../src/cluster/storage/model.ts";
import { addressOf } from "./address.ts";
import type { LogDisk } from "./log-disk.ts";
import { memoryRegister, type RegisterFault } from "./memory-register.ts";
import { ReplicaNode } from "./replica-node.ts";
import { VirtualClock } from "./virtual-clock.ts";

const group = "g";
const { signal: never } = new AbortController();
const notAsked = () => Promise.reject(new Error("not asked here"));

/**
 * The replicas of one group on a virtual clock: real replication and logs on simulated disks, a network that can be cut,
 * and a state register that can be unreachable or lose answers. The test plays the master.
 */
export class ReplicaGroup {
  readonly clock = new VirtualClock();
  readonly settings: ReplicationSettings;
  readonly log: string[] = [];
  /** What would have ended which process. */
  readonly failures: string[] = [];
  /** `from>to` of the links that swallow messages. */
  readonly cut = new Set<string>();
  /** Sees each message before it arrives; may hold it up. */
  onMessage: ((request: AppendRequest) => Promise<void> | void) | undefined;
  /** What happens to the next call that writes the state. */
  registerFault: RegisterFault | "down" = "none";
  state: Versioned<GroupState> | undefined;
  logs: Versioned<GroupLogs> | undefined;
  /** Nodes that do not reach ZooKeeper, and hear of changes only by `tell` with their number. */
  readonly apart = new Set<number>();
  /** Whether a key that is in the logs belongs to another group. */
  isForeign: (key: string) => boolean = () => false;
  /** Whether there is a master that acts on reports of silence. */
  replacesSilent = false;
  readonly #nodes = new Map<number, ReplicaNode>();
  readonly #streams = new Set<{ readonly from: number; readonly to: number; reset(): void }>();
  #incarnations = 0;
  readonly #requestsMax: number;

  /** `requestsMax`: how many requests the logs remember. */
  constructor(settings: Partial<ReplicationSettings> = {}, requestsMax = 1000) {
    this.settings = { ...defaultReplicationSettings, ...settings };
    this.#requestsMax = requestsMax;
  }

  /** The log of a node; if its process has ended, as that has last seen it. */
  store(number: number): LogStore {
    const { store } = this.#node(number);
    if (store === undefined) throw new Error(`node ${number} was never started`);
    return store;
  }

  disk(number: number): LogDisk {
    return this.#node(number).disk;
  }

  /** The incarnation of the next registration. */
  get nextIncarnation(): string {
    return `${this.#incarnations + 1}`;
  }

  get inSync(): number[] {
    return (this.state?.value.inSync ?? []).map((member) => member.number);
  }

  /** Starts the process of a node, registers it and lets it claim its place. */
  async start(number: number): Promise<void> {
    const node = this.#node(number);
    const store = await node.open({ clock: this.clock, requestsMax: this.#requestsMax });
    if (store.identity === undefined) await store.adopt({ cluster: "c1", group, number });
    const incarnation = await this.#rejoin(number, store);
    const replica = new Replica({
      group,
      store,
      clock: this.clock,
      peerAt: (address) => this.#peer(number, Number(address.split(":")[1])),
      register: this.#groupRegister(number),
      logs: this.#logsRegister(number),
      settings: this.settings,
      reportSilence: async (epoch, reporter) => {
        if (!this.replacesSilent) return false;
        return this.#choose(replacements(this.#view(), epoch, reporter));
      },
      log: (message) => this.log.push(`${number}: ${message}`),
      onPrimary: (primary) => {
        node.keys = primary && node.keysOf(primary, this.clock, this.settings, (key) => this.isForeign(key));
      },
      onFailure: (error) => this.failures.push(`${number}: ${error}`),
    });
    node.replica = replica;
    node.view = { number, incarnation, address: addressOf(`host:${number}`) };
    replica.registered({ number, incarnation });
    this.tell();
  }

  /** A node whose session has expired registers again, as its process goes on. */
  async registerAgain(number: number): Promise<void> {
    const node = this.#node(number);
    const { replica, store } = node;
    if (replica === undefined || store === undefined) throw new Error(`node ${number} is down`);
    const incarnation = await this.#rejoin(number, store);
    node.view = { number, incarnation, address: addressOf(`host:${number}`) };
    replica.registered({ number, incarnation });
    this.tell();
  }

  /** Returns the incarnation of the new registration. */
  async #rejoin(number: number, store: LogStore): Promise<string> {
    const incarnation = String(++this.#incarnations);
    await rejoinGroup({
      group,
      self: { number, incarnation },
      store,
      state: this.#groupRegister(number),
      logs: this.#logsRegister(number),
      removedEpoch: async () => 0,
    });
    return incarnation;
  }

  /** The process ends at once; what its disk had not yet is lost. Its registration goes when `forget` is called. */
  crash(number: number): void {
    const node = this.#node(number);
    node.crash();
  }

  /** The node's registration goes, as when its session expires. */
  forget(number: number): void {
    this.#node(number).view = undefined;
  }

  /** Does what a master does; only some nodes may hear of it at first. */
  promote(hearing?: readonly number[]): void {
    this.#choose(candidates(this.#view()), hearing);
  }

  #choose(nodes: readonly NodeView[], hearing?: readonly number[]): boolean {
    const positions = new Map<number, Position>();
    for (const { number } of nodes) positions.set(number, this.store(number).durable);
    const to = this.state && successorOf(this.state.value, nodes, positions);
    if (to === undefined) return false;
    this.#promote(to, hearing);
    return true;
  }

  /** All nodes that reach ZooKeeper, or these, see the group as it is now. */
  tell(
    numbers: readonly number[] = [...this.#nodes.keys()].filter((number) => !this.apart.has(number)),
  ): void {
    for (const number of numbers) this.#node(number).replica?.observe(this.#view());
  }

  /** Makes an in-sync node the primary of the next epoch, whether the one before is gone or not. */
  replace(number: number, hearing?: readonly number[]): void {
    const to = this.state?.value.inSync.find((member) => member.number === number);
    if (to === undefined) throw new Error(`node ${number} is not in sync`);
    this.#promote(to, hearing);
  }

  #promote(to: Member, hearing?: readonly number[]): void {
    const value = apply(this.state?.value, { kind: "promote", to });
    this.state = { value, version: (this.state?.version ?? 0) + 1 };
    this.tell(hearing);
  }

  primary(number: number): Primary {
    const primary = this.#node(number).replica?.primary;
    if (primary === undefined) throw new Error(`node ${number} is not primary`);
    return primary;
  }

  /** The keys as the primary serves them. */
  keys(number: number): KvStateMachine {
    const { keys } = this.#node(number);
    if (keys === undefined) throw new Error(`node ${number} is not primary`);
    return keys;
  }

  isPrimary(number: number): boolean {
    return this.#node(number).replica?.primary !== undefined;
  }

  serves(number: number): boolean {
    const { replica } = this.#node(number);
    return replica?.primary !== undefined && replica.primary.unavailable === undefined;
  }

  put(number: number, key: string, value: string, signal = never): Promise<number> {
    return this.write(number, { operations: [putOf(key, value)] }, signal);
  }

  delete(number: number, key: string): Promise<number> {
    const condition = { kind: "present" } as const;
    return this.write(number, { compares: [{ key, condition }], operations: [{ kind: "delete", key }] });
  }

  write(number: number, request: Partial<WriteRequest>, signal = never): Promise<number> {
    return this.keys(number).write({ compares: [], operations: [], ...request }, signal);
  }

  async get(number: number, key: string): Promise<string> {
    return new TextDecoder().decode((await this.keys(number).read(key, never)).value);
  }

  /** What a node's log holds of puts, deletes (`-`) and expiries (`~`), as short texts. */
  contents(number: number): string[] {
    return this.#node(number).contents;
  }

  #node(number: number): ReplicaNode {
    let node = this.#nodes.get(number);
    if (node === undefined) {
      node = new ReplicaNode(number);
      this.#nodes.set(number, node);
    }
    return node;
  }

  #view(): GroupView {
    const nodes = [...this.#nodes.values()].flatMap(({ view }) => (view === undefined ? [] : [view]));
    return { name: group, state: this.state, nodes };
  }

  /** The connection between two nodes breaks, and both are told. */
  reset(from: number, to: number): void {
    for (const stream of this.#streams) if (stream.from === from && stream.to === to) stream.reset();
  }

  #peer(from: number, to: number): Peer {
    return {
      replicate: (onEnd) => this.#openStream(from, to, onEnd),
      transferLeadership: notAsked,
      position: notAsked,
      reportSilence: notAsked,
      moveIn: notAsked,
      moveOut: notAsked,
      countMisplaced: notAsked,
    };
  }

  #openStream(from: number, to: number, onEnd: (reason: unknown) => void): ReplicationStream {
    const ending = new AbortController();
    const { signal } = ending;
    let incoming: IncomingStream | undefined;
    const end = (reason: Error) => {
      this.#streams.delete(stream);
      ending.abort(reason);
    };
    const stream = {
      from,
      to,
      reset: () => {
        if (signal.aborted) return;
        end(new Error("the connection broke"));
        incoming?.ended();
        onEnd(signal.reason);
      },
    };
    this.#streams.add(stream);
    return {
      append: async (request) => {
        await this.#arrive(from, to, signal);
        await this.onMessage?.(request);
        const replica = this.#node(to).replica;
        if (replica === undefined) throw new Error(`node ${to} is down`);
        incoming ??= replica.openStream();
        const response = await incoming.append(request);
        await this.#arrive(to, from, signal);
        return response;
      },
      close: () => {
        end(new Error("the stream was closed"));
        incoming?.ended();
      },
    };
  }

  #arrive(from: number, to: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (!this.cut.has(`${from}>${to}`)) this.clock.timer(1, resolve);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  #groupRegister(number: number): GroupRegister {
    const register = memoryRegister<GroupState>({
      get: () => this.state,
      set: (state) => {
        this.state = state;
        this.tell();
      },
      isAway: () => this.#isAway(number),
      nextFault: () => {
        const fault = this.registerFault;
        this.registerFault = "none";
        return fault === "down" ? "none" : fault;
      },
    });
    return new GroupRegister(register, (error) => this.failures.push(`${number}: ${error}`));
  }

  #logsRegister(number: number): CasRegister<GroupLogs> {
    return memoryRegister<GroupLogs>({
      get: () => this.logs,
      set: (logs) => {
        this.logs = logs;
      },
      isAway: () => this.#isAway(number),
      nextFault: () => "none",
    });
  }

  #isAway(number: number): boolean {
    return this.registerFault === "down" || this.apart.has(number);
  }
}

/** A group of these nodes, all in sync, with node 1 as its primary. */
export async function groupOf(
  numbers: readonly number[],
  settings: Partial<ReplicationSettings> = {},
): Promise<ReplicaGroup> {
  const group = new ReplicaGroup(settings);
  for (const number of numbers) await group.start(number);
  group.promote();
  const isReady = () => group.serves(1) && group.inSync.length === numbers.length;
  await group.clock.until("node 1 serves and all are in sync", isReady);
  return group;
}

export function putOf(key: string, value: string, ttlMs?: number): WriteOperation {
  return { kind: "put", key, value: new TextEncoder().encode(value), text: true, ttlMs };
}
