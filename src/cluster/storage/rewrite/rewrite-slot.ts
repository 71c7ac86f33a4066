import { SerialQueue } from "../../../common/serial-queue.ts";

/** Called when somebody else wants the slot; or when the room of its file is needed, for writes. */
type GiveUp = (forRoom: boolean) => void;

/** The file at `rbfile`: one rewrite at a time makes it. */
export class RewriteSlot {
  readonly #takers = new SerialQueue();
  #holder: { readonly giveUp: GiveUp; readonly over: Promise<void> } | undefined;

  get isTaken(): boolean {
    return this.#holder !== undefined;
  }

  /**
   * Asks the present holder to give up, waits until it has ended, and takes the slot; in the order of the calls.
   * Returns how to free it.
   */
  take(giveUp: GiveUp): Promise<() => void> {
    return this.#takers.run(async () => {
      while (this.#holder !== undefined) {
        this.#holder.giveUp(false);
        await this.#holder.over;
      }
      return this.#hold(giveUp);
    });
  }

  /** Like `take`, but asks nobody to give up. */
  async takeWhenFree(giveUp: GiveUp): Promise<() => void> {
    while (this.#holder !== undefined) await this.#holder.over;
    return this.#hold(giveUp);
  }

  /** Asks the present holder to give up its room. Returns what ends with it; undefined when there is none. */
  askToGiveUp(): { readonly over: Promise<void> } | undefined {
    this.#holder?.giveUp(true);
    return this.#holder;
  }

  #hold(giveUp: GiveUp): () => void {
    const over = Promise.withResolvers<void>();
    this.#holder = { giveUp, over: over.promise };
    return () => {
      this.#holder = undefined;
      over.resolve();
    };
  }
}
