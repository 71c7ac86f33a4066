import type { WatchStep } from "../../../src/cluster/watch/step.ts";
import type { Clock } from "../../../src/common/clock.ts";

/** A step, and what was then compacted at the node that tells it. */
export interface ToldStep extends WatchStep {
  readonly baseSeq: number;
}

export interface OpenedWatch {
  readonly id: number;
  readonly first: ToldStep;
}

interface OpenWatch {
  readonly steps: AsyncGenerator<WatchStep, void, void>;
  readonly controller: AbortController;
  next: Promise<IteratorResult<WatchStep, void>> | undefined;
  stopIdle: () => void;
}

/** A question for the next step is answered after so long even if there is none. */
const waitMs = 1000;

/** A watch that nobody asks for is over after this time: its connection has broken. */
const idleMs = 4000;

/** The watches of one process, whose steps are fetched one by one: a connection that is only read as fast as one asks. */
export class OpenWatches {
  readonly #clock: Clock;
  readonly #baseSeq: () => number;
  readonly #open = new Map<number, OpenWatch>();
  #lastId: number;

  constructor(clock: Clock, baseSeq: () => number) {
    this.#clock = clock;
    this.#baseSeq = baseSeq;
    // Nobody is to go on with a watch of an earlier life of the process.
    this.#lastId = Math.floor(clock.random() * 2 ** 32);
  }

  async open(
    start: (signal: AbortSignal) => AsyncGenerator<WatchStep, void, void>,
    caller: AbortSignal,
  ): Promise<OpenedWatch> {
    const controller = new AbortController();
    const end = () => controller.abort();
    caller.addEventListener("abort", end, { once: true });
    const steps = start(controller.signal);
    const { value } = await steps.next();
    caller.removeEventListener("abort", end);
    if (value === undefined) throw new Error("the watch has ended before it began");
    const id = ++this.#lastId;
    const watch = { steps, controller, next: undefined, stopIdle: () => {} };
    this.#open.set(id, watch);
    this.#awaitCall(id, watch);
    return { id, first: { ...value, baseSeq: this.#baseSeq() } };
  }

  async next(id: number): Promise<ToldStep | undefined> {
    const watch = this.#open.get(id);
    if (watch === undefined) throw new Error(`there is no watch ${id}`);
    watch.stopIdle();
    watch.next ??= watch.steps.next();
    const { next } = watch;
    const waited = Promise.withResolvers<undefined>();
    const cancel = this.#clock.timer(waitMs, () => waited.resolve(undefined));
    try {
      const result = await Promise.race([next, waited.promise]);
      if (result === undefined) return undefined;
      watch.next = undefined;
      if (result.done) throw new Error(`watch ${id} is over`);
      return { ...result.value, baseSeq: this.#baseSeq() };
    } finally {
      cancel();
      this.#awaitCall(id, watch);
    }
  }

  #awaitCall(id: number, watch: OpenWatch): void {
    watch.stopIdle = this.#clock.timer(idleMs, () => {
      this.#open.delete(id);
      watch.controller.abort();
      // What it still has to say is for nobody.
      watch.next?.catch(() => {});
      void watch.steps.return().catch(() => {});
    });
  }
}
