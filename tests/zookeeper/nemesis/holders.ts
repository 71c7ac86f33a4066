import type { Held } from "../../../src/zookeeper/index.ts";

/** Those who hold something, of which at most so many may have a signal that is live. */
export class Holders {
  readonly #max: number;
  readonly #now = new Set<Held>();
  #lastToken = 0n;

  constructor(max: number) {
    this.#max = max;
  }

  /** A new holder. With one at a time, its token is greater than that of all before. Errors: there are too many. */
  async enter(held: Held): Promise<void> {
    this.#now.add(held);
    if (this.#max === 1 && held.fencingToken <= this.#lastToken) {
      throw new Error(`the token ${held.fencingToken} came after ${this.#lastToken}`);
    }
    this.#lastToken = held.fencingToken;
    if (this.#live().length <= this.#max) return;
    // A process that was paused finds out when its timers run, which were due before.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setTimeout(resolve));
    const live = this.#live();
    if (live.length <= this.#max) return;
    throw new Error(
      `${live.length} have a live signal at once, of ${this.#max}: ${live.map(({ path }) => path)}`,
    );
  }

  leave(held: Held): void {
    this.#now.delete(held);
  }

  #live(): Held[] {
    return [...this.#now].filter(({ signal }) => !signal.aborted);
  }
}
