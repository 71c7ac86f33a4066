interface Offer<T> {
  readonly item: T;
  readonly taken: () => void;
  readonly refused: (reason: unknown) => void;
}

/** Hands items from several producers to one consumer. Each producer waits until its item has been taken. */
export class RendezvousQueue<T> {
  readonly #offers: Offer<T>[] = [];
  #failure: { readonly reason: unknown } | undefined;
  #wake = () => {};

  /** Resolves once the item has been taken. */
  put(item: T): Promise<void> {
    return new Promise((taken, refused) => {
      if (this.#failure !== undefined) return refused(this.#failure.reason);
      this.#offers.push({ item, taken, refused });
      this.#wake();
    });
  }

  async take(): Promise<T> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      const first = this.#offers.shift();
      if (first !== undefined) {
        first.taken();
        return first.item;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Makes every waiting and later `put` and `take` reject with `reason`. */
  fail(reason: unknown): void {
    this.#failure ??= { reason };
    for (const { refused } of this.#offers.splice(0)) refused(reason);
    this.#wake();
  }
}
