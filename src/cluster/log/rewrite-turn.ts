import { Lane } from "./lane.ts";

/** Who makes a file at `rbfile`: one at a time. */
export class RewriteTurn {
  readonly #takers = new Lane();
  #holder: { readonly giveUp: () => void; readonly over: Promise<void> } | undefined;

  get isTaken(): boolean {
    return this.#holder !== undefined;
  }

  /**
   * Asks the present holder to give up, waits until it has ended, and takes the turn; in the order of the calls.
   * Returns how to end it. `giveUp` is called when somebody else wants the turn.
   */
  take(giveUp: () => void): Promise<() => void> {
    return this.#takers.run(async () => {
      while (this.#holder !== undefined) {
        this.#holder.giveUp();
        await this.#holder.over;
      }
      return this.#hold(giveUp);
    });
  }

  /** Like `take`, but asks nobody to give up. */
  async takeWhenFree(giveUp: () => void): Promise<() => void> {
    while (this.#holder !== undefined) await this.#holder.over;
    return this.#hold(giveUp);
  }

  #hold(giveUp: () => void): () => void {
    const over = Promise.withResolvers<void>();
    this.#holder = { giveUp, over: over.promise };
    return () => {
      this.#holder = undefined;
      over.resolve();
    };
  }
}
