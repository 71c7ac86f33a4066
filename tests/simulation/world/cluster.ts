import { parseGroupLogs, parseGroupState, parseRingState } from "../../../src/cluster/metadata/codec.ts";
import type { GroupState, RingState } from "../../../src/cluster/metadata/model.ts";
import { masterNumber, ringPath, routerPath } from "../../../src/cluster/metadata/paths.ts";
import { placementOf, placeOfGroup } from "../../../src/cluster/ring/placement.ts";
import { HistoryRecorder } from "../../checker/history.ts";
import type { StoreOperation } from "../../checker/store-model.ts";
import type { Author } from "../checks/explain.ts";
import { Client } from "../clients/client.ts";
import { Operator } from "../clients/operator.ts";
import { RingOperator } from "../clients/ring-operator.ts";
import { WatchClient } from "../clients/watch-client.ts";
import type { Operation, Outcome } from "./coordination-connection.ts";
import { DataHost } from "./data-host.ts";
import type { Host } from "./host.ts";
import type { SimProcess } from "./process.ts";
import { RouterHost } from "./router-host.ts";
import { count, type World } from "./world.ts";

/** Pause before a group is tried to be removed again: until the sessions of its nodes are over. */
const removalMs = 500;

const masterPath = routerPath(masterNumber);

/** Routers, data nodes and clients, as a profile wants them. */
export class Cluster {
  readonly world: World;
  readonly routers: readonly RouterHost[];
  readonly nodes: readonly DataHost[];
  readonly clients: readonly Client[];
  readonly watches: readonly WatchClient[];
  readonly operator: Operator;
  readonly ringOperator: RingOperator;
  readonly history: HistoryRecorder<StoreOperation>;
  #ring: RingState | undefined;
  /** With which number each process of a data node has registered. */
  readonly #numbers = new WeakMap<SimProcess, number>();
  /** Groups whose machines have not started yet. */
  readonly #waiting: string[] = [];
  /** The router that has become master last. */
  master = "";

  constructor(world: World) {
    const { profile, scheduler, coordination } = world;
    this.world = world;
    const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
    this.routers = numbers(profile.routers).map((number) => new RouterHost(world, `r${number}`));
    let machines = 0;
    this.nodes = profile.groups.flatMap((group) =>
      numbers(profile.nodesPerGroup).map(
        (number) => new DataHost(world, `${group}${number}`, group, ++machines),
      ),
    );
    this.history = new HistoryRecorder<StoreOperation>(() => scheduler.nowMs);
    this.operator = new Operator(this);
    this.ringOperator = new RingOperator(this);
    this.clients = numbers(profile.clients).map((number) => new Client(this, number));
    this.watches = numbers(profile.watchers).map((number) => new WatchClient(this, number));
    coordination.onDone = (process, operation, outcome) => {
      try {
        this.#observe(process, operation, outcome);
      } catch (error) {
        const { path, data } = operation;
        world.invariants.violated(
          `${process.name} sets ${path} to ${Buffer.from(data ?? []).toString()}: ${error}`,
        );
      }
    };
  }

  get hosts(): readonly Host[] {
    return [...this.routers, ...this.nodes];
  }

  /** Starts all machines but those of groups that come later. */
  start(): void {
    this.#waiting.push(...this.world.profile.lateGroups);
    for (const host of this.routers) host.start();
    for (const node of this.nodes) if (!this.#waiting.includes(node.group)) node.start();
  }

  /** Starts the machines of the next group that is to come later. Returns its name; undefined when all have come. */
  startLate(): string | undefined {
    const group = this.#waiting.shift();
    for (const node of this.nodes) if (node.group === group) node.start();
    return group;
  }

  /** Whether the machines of a group were taken out of use, so that it can be removed. */
  isRetired(group: string): boolean {
    return this.nodes.some((node) => node.group === group && node.isRetired);
  }

  /** Takes the machines of a group out of use and removes it, unless it gets keys before that. Returns its name. */
  remove(group: string): string {
    const nodes = this.nodes.filter((node) => node.group === group);
    for (const node of nodes) {
      node.isRetired = true;
      node.kill();
    }
    const { scheduler } = this.world;
    const tryOnce = async () => {
      if (await this.ringOperator.remove(group)) return;
      const isOutside = this.#ring !== undefined && placeOfGroup(this.#ring, group) === "kept-outside";
      // The answer may have been lost.
      const isRemoved = this.#ring?.removed?.some((removed) => removed.group === group);
      if (isOutside) scheduler.after(removalMs, `removal of ${group}`, () => void tryOnce());
      if (isOutside || isRemoved) return;
      for (const node of nodes) {
        node.isRetired = false;
        node.start();
      }
    };
    void tryOnce();
    return group;
  }

  /** The groups that own keys, or will; where the ring does not change, all. */
  get ringGroups(): readonly string[] {
    const { profile } = this.world;
    const ring = this.#ring;
    if (!profile.changesRing) return profile.groups;
    return [...new Set([...(ring?.groups ?? []), ...(ring?.change?.groups ?? [])])];
  }

  /** The node that the group's state names as its primary. */
  primaryOf(group: string): DataHost | undefined {
    const facts = this.world.invariants.group(group);
    const primary = facts.state?.primary;
    // Not by its number, which a copied log has as well.
    const log = primary && facts.logOf(primary);
    return log && this.nodes.find((node) => node.group === group && node.replica === log);
  }

  /** Whether all nodes of the group are in sync. */
  isWhole(group: string): boolean {
    const inSync = this.world.invariants.group(group).state?.inSync ?? [];
    return this.nodes
      .filter((node) => node.group === group)
      .every(({ replica }) => !replica.isSpoiled && inSync.some(({ number }) => number === replica.number));
  }

  /** The group of the ring that a key belongs to. */
  groupOf(key: string): string | undefined {
    return this.#ring && placementOf(this.#ring).owner(key);
  }

  /** As whom a process changes a group's state. Its machine may have another log by now: it counts what it was then. */
  #roleOf(process: SimProcess): Author {
    const number = this.#numbers.get(process);
    return number === undefined ? "router" : { replica: number };
  }

  #changeState(group: string, state: GroupState, process: SimProcess): void {
    const { invariants } = this.world;
    const facts = invariants.group(group);
    const { length } = facts.past;
    const role = this.#roleOf(process);
    invariants.stateChanging(group, state, process.name, role);
    invariants.stateChanged(group, state, process.name, role);
    if (facts.past.length > length) {
      count(this.world, "group recovered");
      const given = (facts.past.at(-1)?.committed.length ?? 0) - facts.committed.length;
      if (given > 0) count(this.world, "group recovered without all that was committed");
    }
    this.operator.lookAfter(group);
  }

  #changeRing(ring: RingState, author: string): void {
    const { invariants, trace, scheduler } = this.world;
    this.#ring = ring;
    trace.note(scheduler.nowMs, "zk", `ring ${ring.version}: ${shownRing(ring)}`);
    const before = invariants.ring?.movesEnded;
    const problem = invariants.ring?.changed(ring, (group) => this.primaryOf(group)?.store);
    if (problem !== undefined) invariants.violated(`${author}: ${problem}`);
    if (invariants.ring?.movesEnded !== before) {
      invariants.moment("done", "");
      count(this.world, "keys moved");
    }
  }

  #observe(process: SimProcess, { name, path, data }: Operation, outcome: Outcome): void {
    if ((name !== "set" && name !== "create") || data === undefined || "error" in outcome) return;
    const { invariants, trace, scheduler, coordination } = this.world;
    const author = process.name;
    const number = /^\/data\/.+\/(\d+)$/.exec(path)?.[1];
    if (number !== undefined) this.#numbers.set(process, Number(number));
    const node = number !== undefined && this.nodes.find(({ name }) => name === author);
    const incarnation = node && coordination.czxid(path);
    if (node && incarnation) {
      const { group, replica } = node;
      invariants.group(group).lives.set(incarnation, { log: replica, spoils: replica.spoils });
    }
    // Who has lost the disk comes back with another one.
    if (node) this.operator.lookAfter(node.group);
    if (path === masterPath) this.master = author;
    const logsOf = /^\/data\/(.+)\/logs$/.exec(path)?.[1];
    const group = /^\/data\/(.+)\/state$/.exec(path)?.[1];
    if (group !== undefined) {
      const state = parseGroupState(path, data);
      const inSync = state.inSync.map((member) => member.number).join(" ");
      trace.note(
        scheduler.nowMs,
        "zk",
        `group ${group}: epoch ${state.epoch}, primary ${state.primary?.number ?? "none"}, in sync ${inSync}`,
      );
      this.#changeState(group, state, process);
    } else if (logsOf !== undefined) {
      invariants.floorSet(logsOf, parseGroupLogs(path, data).floor);
    } else if (path === ringPath) {
      const ring = parseRingState(path, data);
      this.#changeRing(ring, author);
      if (!ring.written || invariants.isRingClosed) return;
      invariants.isRingClosed = true;
      invariants.moment("first write", "");
    }
  }
}

function shownRing({ groups, virtualNodes, change, queue = [] }: RingState): string {
  const present = `${groups.join(" ")} with ${virtualNodes} virtual nodes`;
  const waiting = queue.length > 0 ? `; ${queue.length} wait` : "";
  if (change === undefined) return `${present}${waiting}`;
  const done = change.done.map(({ from, to }) => `${from}>${to}`).join(" ");
  const next = `${change.groups.join(" ")} with ${change.virtualNodes}`;
  return `${present}, to be ${next} by change ${change.id}${change.paused ? ", paused" : ""}, done: ${done}${waiting}`;
}
