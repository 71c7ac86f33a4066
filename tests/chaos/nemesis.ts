import { Random } from "../simulation/world/random.ts";
import type { ChaosCluster } from "./cluster.ts";
import { type Fault, faultMakers } from "./faults.ts";

/** Faults under way at once, at most. */
const streams = 2;
const restMs = [100, 2500] as const;

/** Something that the nemesis did. */
export interface Deed {
  /** On the clock of the history. */
  readonly atMs: number;
  readonly what: string;
}

/** Brings faults upon a cluster, one after another in each of two streams, until it is stopped. */
export class Nemesis {
  /** Everything done so far. */
  readonly deeds: Deed[] = [];
  /** Faults by kind. */
  readonly counts = new Map<string, number>();
  readonly #cluster: ChaosCluster;
  readonly #done: Promise<unknown>;
  readonly #stop = Promise.withResolvers<void>();
  readonly #held = new Set<object>();
  #isOver = false;

  constructor(cluster: ChaosCluster, seed: number) {
    this.#cluster = cluster;
    this.#done = Promise.all(
      Array.from({ length: streams }, (_, index) => this.#run(new Random(`${seed} nemesis ${index}`))),
    );
  }

  /** Whether a fault has hold of this now. */
  holds(thing: object): boolean {
    return this.#held.has(thing);
  }

  /** Rejects when a fault cannot be brought about. */
  get failed(): Promise<unknown> {
    return this.#done;
  }

  /** Ends the faults under way and begins no more. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.#stop.resolve();
    await this.#done;
  }

  async #run(random: Random): Promise<void> {
    while (!this.#isOver) {
      await this.#wait(random.between(...restMs));
      const fault = await random.pick(faultMakers)(this.#cluster, random);
      const isFree = !fault.holds.some((held) => this.#held.has(held));
      if (!this.#isOver && isFree && fault.holds.length > 0) await this.#bring(fault);
    }
  }

  async #bring(fault: Fault): Promise<void> {
    for (const held of fault.holds) this.#held.add(held);
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    this.#tell(fault.what);
    await fault.begin();
    await this.#wait(fault.forMs);
    await fault.end();
    this.#tell(`end of: ${fault.what}`);
    for (const held of fault.holds) this.#held.delete(held);
  }

  #tell(what: string): void {
    this.deeds.push({ atMs: performance.now(), what });
  }

  /** Less when the nemesis is stopped. */
  async #wait(delayMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const passed = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, delayMs);
    });
    await Promise.race([passed, this.#stop.promise]);
    clearTimeout(timer);
  }
}
