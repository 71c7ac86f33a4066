import { parseGroupState } from "../../../src/cluster/metadata/codec.ts";
import type { Member } from "../../../src/cluster/metadata/model.ts";
import { groupStatePath } from "../../../src/cluster/metadata/paths.ts";
import type { Moment } from "../checks/invariants.ts";
import type { Cluster } from "../world/cluster.ts";
import { type Operation, serviceName } from "../world/coordination-connection.ts";
import type { OperationFault } from "../world/coordination-service.ts";
import { DataHost } from "../world/data-host.ts";
import type { Host } from "../world/host.ts";
import type { LinkRule } from "../world/network.ts";
import type { SimProcess } from "../world/process.ts";
import { Random } from "../world/random.ts";
import { count, type World } from "../world/world.ts";
import { cutFromService, linkFault, serviceRule } from "./link-faults.ts";
import { type Mistake, maySpoil, planMistake } from "./log-mistakes.ts";
import { type FaultKind, isMistakeKind, type PlannedFault } from "./plan.ts";
import { targetOf } from "./targets.ts";

/** Carries out a plan of faults. */
export class Nemesis {
  readonly #world: World;
  readonly #cluster: Cluster;
  /** Faults that wait for something to happen. */
  readonly #aimed: PlannedFault[] = [];
  readonly #seen = new Map<Moment, number>();
  /** Ends each fault that goes on. */
  readonly #ends = new Set<() => void>();
  /** What is to happen to the next change of a group's state. */
  #nextChange: OperationFault;
  /** What is to happen when a standby joins next. */
  #onJoin: ((primary: SimProcess, joining: DataHost) => void) | undefined;
  #isOver = false;

  constructor(world: World, cluster: Cluster, plan: readonly PlannedFault[]) {
    this.#world = world;
    this.#cluster = cluster;
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
    this.#isOver = true;
    this.#nextChange = undefined;
    this.#onJoin = undefined;
    for (const end of [...this.#ends]) end();
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
    if (this.#isOver) return;
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
    const lasting = (end: () => void) => this.#lasting(durationMs, end);
    const host = targetOf(this.#cluster, role, random);
    switch (kind) {
      case "kill":
        return this.#down(host, durationMs, () => host.kill());
      case "stop":
        return this.#down(host, durationMs, () => host.stop());
      case "power loss":
        return host instanceof DataHost ? this.#down(host, durationMs, () => host.losePower()) : undefined;
      case "double crash":
        return host instanceof DataHost ? this.#crashTwice(host, random) : undefined;
      case "pause":
        return this.#pause(host.process, durationMs);
      case "partition":
      case "one-way cut":
      case "bridge":
      case "slow link":
      case "zookeeper cut":
      case "zookeeper slow": {
        const { rule, what } = linkFault(kind, this.#cluster, host, random);
        this.#rule(rule, durationMs);
        return what;
      }
      case "zookeeper outage":
        coordination.beginOutage();
        this.#rule(serviceRule("cut"), durationMs);
        lasting(() => coordination.endOutage());
        return "";
      case "zookeeper lag":
        this.#fallBehind(durationMs, random);
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
      case "clock jump":
        host.process?.jumpWall(random.between(-1e6, 1e6));
        return host.name;
      default:
        return host instanceof DataHost ? this.#injectDisk(kind, host, durationMs, random) : undefined;
    }
  }

  #injectDisk(kind: FaultKind, host: DataHost, durationMs: number, random: Random): string | undefined {
    if (isMistakeKind(kind)) {
      // Who copies a log may stop its node for that.
      const isStopped = kind === "old log" && random.chance(0.5);
      if (isStopped) this.#down(host, random.between(10, 100), () => host.kill());
      const { delayMs, make } = planMistake(kind, this.#cluster, host, random);
      if (delayMs === 0) return this.#mistake(make(), durationMs, random);
      this.#world.scheduler.after(delayMs, kind, () => {
        const what = this.#isOver ? undefined : this.#mistake(make(), durationMs, random);
        if (what !== undefined) this.#note(kind, what, durationMs);
      });
      return undefined;
    }
    switch (kind) {
      case "slow disk":
        host.diskSlowness = random.pick([10, 100, 1000]);
        this.#lasting(durationMs, () => {
          host.diskSlowness = 1;
        });
        return host.name;
      case "full disk": {
        // Now and then of all nodes of a group: they write the same.
        const isShared = random.chance(0.4);
        const full = isShared ? this.#cluster.nodes.filter(({ group }) => group === host.group) : [host];
        for (const each of full) each.freeBytes = random.pick([0, random.below(100), random.below(1000)]);
        this.#lasting(durationMs, () => {
          for (const each of full) each.freeBytes = Number.MAX_SAFE_INTEGER;
        });
        // What was refused must not be found after a crash either.
        if (random.chance(0.3)) {
          this.#world.scheduler.after(random.between(1, 500), "power loss on a full disk", () => {
            if (!this.#isOver) this.#down(host, random.between(100, 1000), () => host.losePower());
          });
        }
        return full.map(({ name }) => name).join(" ");
      }
      case "hung disk":
        host.hangDisk();
        this.#lasting(durationMs, () => host.freeDisk());
        return host.name;
      case "disk error":
        host.failsNextWrite = true;
        return host.name;
      case "bit flip":
        if (!maySpoil(this.#cluster, host)) return undefined;
        return this.#down(host, durationMs, () => host.flipByte());
      case "wiped disk":
        if (!maySpoil(this.#cluster, host)) return undefined;
        return this.#down(host, durationMs, () => host.wipe());
      case "compaction": {
        const { store, process } = host;
        if (store === undefined) return undefined;
        process?.receive("compact", () => void store.compact().catch(() => {}));
        return host.name;
      }
    }
    return undefined;
  }

  /** Some members of the ensemble learn of no changes. */
  #fallBehind(durationMs: number, random: Random): void {
    const { members } = this.#world.coordination;
    for (const member of random.shuffle(members).slice(0, 1 + random.below(members.length))) {
      member.isBehind = true;
      this.#lasting(durationMs, () => {
        member.isBehind = false;
      });
    }
  }

  /** A primary loses its session; it and some routers do not hear what the service has to tell of that. */
  #deposeUnheard(durationMs: number, random: Random): string | undefined {
    const primary = this.#cluster.primaryOf(random.pick(this.#world.profile.groups));
    if (primary === undefined) return undefined;
    const deaf = new Set([primary.name]);
    for (const { name } of this.#cluster.routers) if (random.chance(0.5)) deaf.add(name);
    this.#rule({ effect: "cut", applies: (from, to) => from === serviceName && deaf.has(to) }, durationMs);
    this.#world.coordination.expire(primary.name);
    return `for ${[...deaf].join(" ")}: the session of ${primary.name} is over`;
  }

  /** A primary cannot learn whether a standby has joined, and the standby goes; or comes anew. */
  #doubt(primary: SimProcess, joining: DataHost, durationMs: number, random: Random): void {
    const how = random.pick(["pause", "kill", "expire"]);
    if (how !== "expire" || random.chance(0.3)) {
      // It can ask nobody, or only who does not know yet.
      if (random.chance(0.5)) this.#fallBehind(durationMs, random);
      else this.#rule(cutFromService(primary.name), durationMs);
    }
    this.#world.scheduler.after(random.between(0, 200), "joining standby goes", () => {
      if (how === "pause") this.#pause(joining.process, durationMs);
      else if (how === "kill") this.#down(joining, durationMs, () => joining.kill());
      else this.#world.coordination.expire(joining.name);
    });
  }

  /** An operator hands a group's primary over; now and then to a standby that has just fallen silent. */
  #transfer(durationMs: number, random: Random): string | undefined {
    const router = random.pick(this.#cluster.routers);
    const node = random.pick(this.#cluster.nodes);
    const { number } = node.replica;
    if (router.transfer === undefined || number === undefined) return undefined;
    const { transfer } = router;
    if (random.chance(0.5)) this.#pause(node.process, durationMs);
    router.process?.receive("transfer", () => transfer(node.group, number));
    return `of group ${node.group} to ${node.name}`;
  }

  #fullStop(random: Random): string {
    const { nodes } = this.#cluster;
    for (const node of random.shuffle(nodes)) {
      const isPower = random.chance(0.5);
      this.#down(node, random.between(100, 4000), () => (isPower ? node.losePower() : node.kill()));
    }
    return "of all nodes";
  }

  #down(host: Host, durationMs: number, stop: () => void): string | undefined {
    if (host.process === undefined) return undefined;
    stop();
    this.#lasting(durationMs, () => host.start());
    return host.name;
  }

  /** Somebody makes a mistake with logs; the nodes come back one after another. */
  #mistake(mistake: Mistake | undefined, durationMs: number, random: Random): string | undefined {
    if (mistake === undefined) return undefined;
    const { nodes, what, carryOut } = mistake;
    void carryOut();
    // Often the first is back before anybody takes it for gone.
    const firstMs = random.chance(0.5) ? random.between(10, 100) : durationMs;
    for (const [index, node] of nodes.entries()) {
      this.#lasting(index === 0 ? firstMs : random.between(10, 4000), () => node.start());
    }
    return what;
  }

  /** The process is killed, and when it has just come back, the machine loses power. */
  #crashTwice(host: DataHost, random: Random): string | undefined {
    const backMs = random.between(10, 500);
    this.#world.scheduler.after(backMs + random.between(1, 300), "second crash", () => {
      if (!this.#isOver) this.#down(host, random.between(10, 2000), () => host.losePower());
    });
    return this.#down(host, backMs, () => host.kill());
  }

  #pause(process: SimProcess | undefined, durationMs: number): string | undefined {
    if (process?.state !== "running") return undefined;
    process.pause();
    this.#lasting(durationMs, () => process.resume());
    return process.name;
  }

  #rule(rule: LinkRule, durationMs: number): void {
    const { rules } = this.#world.network;
    rules.add(rule);
    this.#lasting(durationMs, () => rules.delete(rule));
  }

  #lasting(durationMs: number, end: () => void): void {
    const endOnce = () => {
      if (this.#ends.delete(endOnce)) end();
    };
    this.#ends.add(endOnce);
    this.#world.scheduler.after(durationMs, "fault ends", endOnce);
  }
}
