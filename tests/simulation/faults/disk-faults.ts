import type { Cluster } from "../world/cluster.ts";
import type { DataHost } from "../world/data-host.ts";
import type { Random } from "../world/random.ts";
import type { Effects } from "./effects.ts";
import { type Mistake, maySpoil, planMistake } from "./log-mistakes.ts";
import { type FaultKind, isMistakeKind, type MistakeKind } from "./plan.ts";

/** A fault that hits the disk or the log of a node. */
export interface DiskFault {
  readonly kind: FaultKind;
  readonly host: DataHost;
  readonly durationMs: number;
  readonly random: Random;
}

/** Carries out faults of disks and logs. */
export class DiskFaults {
  readonly #cluster: Cluster;
  readonly #effects: Effects;
  readonly #note: (kind: FaultKind, what: string, durationMs: number) => void;

  /** `note` is called when a fault that waited has hit. */
  constructor(
    cluster: Cluster,
    effects: Effects,
    note: (kind: FaultKind, what: string, durationMs: number) => void,
  ) {
    this.#cluster = cluster;
    this.#effects = effects;
    this.#note = note;
  }

  /** Returns what was hit; undefined when the fault is not possible now. */
  inject(fault: DiskFault): string | undefined {
    const { kind, host, durationMs, random } = fault;
    if (isMistakeKind(kind)) return this.#planMistake(kind, fault);
    switch (kind) {
      case "slow disk":
        host.diskSlowness = random.pick([10, 100, 1000]);
        this.#effects.lasting(durationMs, () => {
          host.diskSlowness = 1;
        });
        return host.name;
      case "full disk":
        return this.#fill(fault);
      case "hung disk":
        host.hangDisk();
        this.#effects.lasting(durationMs, () => host.freeDisk());
        return host.name;
      case "disk error":
        host.failsNextWrite = true;
        return host.name;
      case "bit flip":
        if (!maySpoil(this.#cluster, host)) return undefined;
        return this.#effects.down(host, durationMs, () => host.flipByte());
      case "wiped disk":
        if (!maySpoil(this.#cluster, host)) return undefined;
        return this.#effects.down(host, durationMs, () => host.wipe());
      case "compaction": {
        const { store, process } = host;
        if (store === undefined) return undefined;
        process?.receive("compact", () => void store.compact().catch(() => {}));
        return host.name;
      }
    }
    return undefined;
  }

  /** The process is killed, and when it has just come back, the machine loses power. */
  crashTwice(host: DataHost, random: Random): string | undefined {
    const backMs = random.between(10, 500);
    this.#effects.after(backMs + random.between(1, 300), "second crash", () => {
      this.#effects.down(host, random.between(10, 2000), () => host.losePower());
    });
    return this.#effects.down(host, backMs, () => host.kill());
  }

  #fill({ host, durationMs, random }: DiskFault): string {
    // Now and then of all nodes of a group: they write the same.
    const isShared = random.chance(0.4);
    const full = isShared ? this.#cluster.nodes.filter(({ group }) => group === host.group) : [host];
    for (const each of full) each.freeBytes = random.pick([0, random.below(100), random.below(1000)]);
    this.#effects.lasting(durationMs, () => {
      for (const each of full) each.freeBytes = Number.MAX_SAFE_INTEGER;
    });
    // A refused write must not be found after a crash either.
    if (random.chance(0.3)) {
      this.#effects.after(random.between(1, 500), "power loss on a full disk", () => {
        this.#effects.down(host, random.between(100, 1000), () => host.losePower());
      });
    }
    return full.map(({ name }) => name).join(" ");
  }

  #planMistake(kind: MistakeKind, { host, durationMs, random }: DiskFault): string | undefined {
    // Who copies a log may stop its node for that.
    const isStopped = kind === "old log" && random.chance(0.5);
    if (isStopped) this.#effects.down(host, random.between(10, 100), () => host.kill());
    const { delayMs, make } = planMistake(kind, this.#cluster, host, random);
    if (delayMs === 0) return this.#carryOut(make(), durationMs, random);
    this.#effects.after(delayMs, kind, () => {
      const what = this.#carryOut(make(), durationMs, random);
      if (what !== undefined) this.#note(kind, what, durationMs);
    });
    return undefined;
  }

  /** The nodes whose logs were touched come back one after another. */
  #carryOut(mistake: Mistake | undefined, durationMs: number, random: Random): string | undefined {
    if (mistake === undefined) return undefined;
    const { nodes, what, carryOut } = mistake;
    void carryOut();
    // Often the first is back before anybody takes it for gone.
    const firstMs = random.chance(0.5) ? random.between(10, 100) : durationMs;
    for (const [index, node] of nodes.entries()) {
      this.#effects.lasting(index === 0 ? firstMs : random.between(10, 4000), () => node.start());
    }
    return what;
  }
}
