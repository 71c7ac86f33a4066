import { parseGroupState } from "../../../src/cluster/metadata/codec.ts";
import type { Member } from "../../../src/cluster/metadata/model.ts";
import { groupStatePath } from "../../../src/cluster/metadata/paths.ts";
import type { Moment } from "../checks/invariants.ts";
import type { Cluster } from "../world/cluster.ts";
import { type Operation, serviceName } from "../world/coordination-connection.ts";
import type { OperationFault } from "../world/coordination-service.ts";
import { DataHost } from "../world/data-host.ts";
import type { SimProcess } from "../world/process.ts";
import { Random } from "../world/random.ts";
import { count, type World } from "../world/world.ts";
import { DiskFaults } from "./disk-faults.ts";
import { Effects } from "./effects.ts";
import { cutFromService, linkFault, serviceRule } from "./link-faults.ts";
import { loseGroup } from "./lost-group.ts";
import { type FaultKind, isRingKind, type PlannedFault } from "./plan.ts";
import { changeRing } from "./ring-faults.ts";
import { targetOf } from "./targets.ts";

/** Carries out a plan of faults. */
export class Nemesis {
  readonly #world: World;
  readonly #cluster: Cluster;
  /** Faults that wait for something to happen. */
  readonly #aimed: PlannedFault[] = [];
  readonly #seen = new Map<Moment, number>();
  readonly #effects: Effects;
  readonly #diskFaults: DiskFaults;
  /** What is to happen to the next change of a group's state. */
  #nextChange: OperationFault;
  /** What is to happen when a standby joins next. */
  #onJoin: ((primary: SimProcess, joining: DataHost) => void) | undefined;

  constructor(world: World, cluster: Cluster, plan: readonly PlannedFault[]) {
    this.#world = world;
    this.#cluster = cluster;
    this.#effects = new Effects(world);
    this.#diskFaults = new DiskFaults(cluster, this.#effects, (...what) => this.#note(...what));
    const { scheduler, invariants, coordination } = world;
    for (const fault of plan) {
      if ("moment" in fault.when) this.#aimed.push(fault);
      else scheduler.after(fault.when.atMs, `fault ${fault.kind}`, () => this.#begin(fault));
    }
    invariants.onMoment = (moment) => this.#onMoment(moment);
    coordination.onOperation = (process, operation) => this.#onOperation(process, operation);
  }

  /** Ends all faults; what was stopped runs again. */
  end(): void {
    this.#nextChange = undefined;
    this.#onJoin = undefined;
    this.#effects.end();
    for (const host of this.#cluster.hosts) {
      host.process?.resume();
      host.start();
    }
  }

  #onMoment(moment: Moment): void {
    const times = (this.#seen.get(moment) ?? 0) + 1;
    this.#seen.set(moment, times);
    for (const fault of this.#aimed) {
      const { when } = fault;
      if (!("moment" in when) || when.moment !== moment || when.nth !== times) continue;
      this.#world.scheduler.after(when.delayMs, `fault ${fault.kind} at ${moment}`, () => this.#begin(fault));
    }
  }

  #onOperation(process: SimProcess, { name, path, data }: Operation): OperationFault {
    const group = /^\/data\/(.+)\/state$/.exec(path)?.[1];
    if (name !== "set" || group === undefined || data === undefined) return undefined;
    const joining = this.#onJoin && this.#joiningHost(group, data);
    if (this.#onJoin !== undefined && joining !== undefined) {
      this.#onJoin(process, joining);
      this.#onJoin = undefined;
      return process.clock.random() < 0.5 ? "answer lost" : "request lost";
    }
    const fault = this.#nextChange;
    this.#nextChange = undefined;
    return fault;
  }

  /** The node that a change of a group's state adds to the in-sync set. */
  #joiningHost(group: string, data: Uint8Array): DataHost | undefined {
    let inSync: readonly Member[];
    try {
      inSync = parseGroupState(groupStatePath(group), data).inSync;
    } catch {
      return undefined; // Whoever looks at what has been done will tell.
    }
    const before = this.#world.invariants.group(group).state?.inSync ?? [];
    const added = inSync.find(({ number }) => !before.some((member) => member.number === number));
    return this.#cluster.nodes.find((node) => node.group === group && node.replica.number === added?.number);
  }

  #begin(fault: PlannedFault): void {
    if (this.#effects.isOver) return;
    const what = this.#inject(fault, new Random(fault.chance));
    if (what !== undefined) this.#note(fault.kind, what, fault.durationMs);
  }

  #note(kind: FaultKind, what: string, durationMs: number): void {
    count(this.#world, `fault ${kind}`);
    const { trace, scheduler } = this.#world;
    trace.note(scheduler.nowMs, "nemesis", `${kind} ${what} (${durationMs.toFixed(0)} ms)`);
  }

  /** Returns what was hit; undefined when the fault is not possible now. */
  #inject({ kind, role, durationMs }: PlannedFault, random: Random): string | undefined {
    const { coordination } = this.#world;
    if (isRingKind(kind)) return changeRing(kind, this.#cluster, random);
    const host = targetOf(this.#cluster, role, random);
    switch (kind) {
      case "kill":
        return this.#effects.down(host, durationMs, () => host.kill());
      case "stop":
        return this.#effects.down(host, durationMs, () => host.stop());
      case "power loss":
        return host instanceof DataHost
          ? this.#effects.down(host, durationMs, () => host.losePower())
          : undefined;
      case "double crash":
        return host instanceof DataHost ? this.#diskFaults.crashTwice(host, random) : undefined;
      case "pause":
        return this.#effects.pause(host.process, durationMs);
      case "partition":
      case "one-way cut":
      case "bridge":
      case "slow link":
      case "zookeeper cut":
      case "zookeeper slow": {
        const { rule, what } = linkFault(kind, this.#cluster, host, random);
        this.#effects.rule(rule, durationMs);
        return what;
      }
      case "zookeeper outage":
        coordination.beginOutage();
        this.#effects.rule(serviceRule("cut"), durationMs);
        this.#effects.lasting(durationMs, () => coordination.endOutage());
        return "";
      case "zookeeper lag":
        this.#effects.fallBehind(durationMs, random);
        return "";
      case "leader change":
        coordination.breakConnections();
        return "";
      case "session expiry":
        return coordination.expire(host.name) > 0 ? host.name : undefined;
      case "request lost":
      case "answer lost":
        this.#nextChange = kind;
        return "";
      case "late news":
        return this.#deposeUnheard(durationMs, random);
      case "join in doubt":
        this.#onJoin = (primary, joining) =>
          this.#world.scheduler.after(0, "join in doubt", () =>
            this.#doubt(primary, joining, durationMs, random),
          );
        return "";
      case "transfer":
        return this.#transfer(durationMs, random);
      case "full stop":
        return this.#fullStop(random);
      case "lost group": {
        const group = random.pick(this.#world.profile.groups);
        return loseGroup({ group, cluster: this.#cluster, effects: this.#effects, durationMs, random });
      }
      case "clock jump":
        host.process?.jumpWall(random.between(-1e6, 1e6));
        return host.name;
      default:
        if (!(host instanceof DataHost)) return undefined;
        return this.#diskFaults.inject({ kind, host, durationMs, random });
    }
  }

  /** A primary loses its session; it and some routers do not hear what the service has to tell of that. */
  #deposeUnheard(durationMs: number, random: Random): string | undefined {
    const primary = this.#cluster.primaryOf(random.pick(this.#world.profile.groups));
    if (primary === undefined) return undefined;
    const deaf = new Set([primary.name]);
    for (const { name } of this.#cluster.routers) if (random.chance(0.5)) deaf.add(name);
    this.#effects.rule(
      { effect: "cut", applies: (from, to) => from === serviceName && deaf.has(to) },
      durationMs,
    );
    this.#world.coordination.expire(primary.name);
    return `for ${[...deaf].join(" ")}: the session of ${primary.name} is over`;
  }

  /** A primary cannot learn whether a standby has joined, and the standby goes; or comes anew. */
  #doubt(primary: SimProcess, joining: DataHost, durationMs: number, random: Random): void {
    const how = random.pick(["pause", "kill", "expire"]);
    if (how !== "expire" || random.chance(0.3)) {
      // It can ask nobody, or only who does not know yet.
      if (random.chance(0.5)) this.#effects.fallBehind(durationMs, random);
      else this.#effects.rule(cutFromService(primary.name), durationMs);
    }
    this.#world.scheduler.after(random.between(0, 200), "joining standby goes", () => {
      if (how === "pause") this.#effects.pause(joining.process, durationMs);
      else if (how === "kill") this.#effects.down(joining, durationMs, () => joining.kill());
      else this.#world.coordination.expire(joining.name);
    });
  }

  /** An operator hands a group's primary over; now and then to a standby that has just fallen silent. */
  #transfer(durationMs: number, random: Random): string | undefined {
    const router = random.pick(this.#cluster.routers);
    const node = random.pick(this.#cluster.nodes);
    const { number } = node.replica;
    if (number === undefined) return undefined;
    if (random.chance(0.5)) this.#effects.pause(node.process, durationMs);
    void this.#cluster.operator.transfer(router.name, node.group, number);
    return `of group ${node.group} to ${node.name}`;
  }

  #fullStop(random: Random): string {
    const { nodes } = this.#cluster;
    for (const node of random.shuffle(nodes)) {
      const isPower = random.chance(0.5);
      this.#effects.down(node, random.between(100, 4000), () => (isPower ? node.losePower() : node.kill()));
    }
    return "of all nodes";
  }
}
