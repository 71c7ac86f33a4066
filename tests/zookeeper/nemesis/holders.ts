import type { Held } from "../../../src/zookeeper/index.ts";

/** Those who hold something that only so many may have at once. Some take more of it than one: all, if they are alone. */
export class Holders {
  readonly #max: number;
  readonly #shares = new Map<Held, number>();
  #lastToken = 0n;

  constructor(max: number) {
    this.#max = max;
  }

  /** A new holder. Who has all of it has a greater token than all before. Errors: too much is held with a live signal. */
  async enter(held: Held, share = 1): Promise<void> {
    this.#shares.set(held, share);
    if (share === this.#max && held.fencingToken <= this.#lastToken) {
      throw new Error(`the token ${held.fencingToken} came after ${this.#lastToken}`);
    }
    if (held.fencingToken > this.#lastToken) this.#lastToken = held.fencingToken;
    if (this.#taken() <= this.#max) return;
    // A process that was paused finds out when its timers run, which were due before.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setTimeout(resolve));
    if (this.#taken() <= this.#max) return;
    const live = [...this.#shares.keys()].filter(({ signal }) => !signal.aborted);
    throw new Error(`too many have a live signal at once: ${live.map(({ path }) => path).join(", ")}`);
  }

  leave(held: Held): void {
    this.#shares.delete(held);
  }

  #taken(): number {
    return [...this.#shares].reduce((sum, [{ signal }, share]) => (signal.aborted ? sum : sum + share), 0);
  }
}

/** Is a holder for some time, and gives back what it has. */
export async function holdFor(held: Held, holders: Holders, ms: number, share?: number): Promise<void> {
  try {
    await holders.enter(held, share);
    await new Promise((resolve) => setTimeout(resolve, ms));
    holders.leave(held);
  } finally {
    await held.release();
  }
}
