import type { Host } from "../world/host.ts";
import type { LinkRule } from "../world/network.ts";
import type { SimProcess } from "../world/process.ts";
import type { Random } from "../world/random.ts";
import type { World } from "../world/world.ts";

/** What faults are made of. Each goes on for its time, or until all faults end. */
export class Effects {
  readonly #world: World;
  /** Ends each effect that goes on. */
  readonly #ends = new Set<() => void>();
  #isOver = false;

  constructor(world: World) {
    this.#world = world;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Ends all effects; no other begins. */
  end(): void {
    this.#isOver = true;
    for (const end of [...this.#ends]) end();
  }

  /** Does something later, unless the faults are over by then. */
  after(delayMs: number, what: string, action: () => void): void {
    this.#world.scheduler.after(delayMs, what, () => {
      if (!this.#isOver) action();
    });
  }

  /** Stops a machine's process and starts it again. */
  down(host: Host, durationMs: number, stop: () => void): string | undefined {
    if (host.process === undefined) return undefined;
    stop();
    this.lasting(durationMs, () => host.start());
    return host.name;
  }

  pause(process: SimProcess | undefined, durationMs: number): string | undefined {
    if (process?.state !== "running") return undefined;
    process.pause();
    this.lasting(durationMs, () => process.resume());
    return process.name;
  }

  rule(rule: LinkRule, durationMs: number): void {
    const { rules } = this.#world.network;
    rules.add(rule);
    this.lasting(durationMs, () => rules.delete(rule));
  }

  /** Some members of the ensemble learn of no changes. */
  fallBehind(durationMs: number, random: Random): void {
    const { members } = this.#world.coordination;
    for (const member of random.shuffle(members).slice(0, 1 + random.below(members.length))) {
      member.isBehind = true;
      this.lasting(durationMs, () => {
        member.isBehind = false;
      });
    }
  }

  /** Calls `end` after some time, or when all faults end. */
  lasting(durationMs: number, end: () => void): void {
    const endOnce = () => {
      if (this.#ends.delete(endOnce)) end();
    };
    this.#ends.add(endOnce);
    this.#world.scheduler.after(durationMs, "fault ends", endOnce);
  }
}
