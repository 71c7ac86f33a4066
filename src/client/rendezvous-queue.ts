/** Hands items from several producers to one consumer. Each producer waits until its item has been taken. */
export interface RendezvousQueue<T> {
  /** Resolves once the item has been taken. */
  put(item: T): Promise<void>;
  /** Makes every `put` and `take`, those that wait included, reject with this. */
  fail(reason: unknown): void;
  take(): Promise<T>;
}

export function createMailbox<T>(): RendezvousQueue<T> {
  const items: { item: T; taken: () => void; refused: (reason: unknown) => void }[] = [];
  let failure: { reason: unknown } | undefined;
  let wake = () => {};
  return {
    put(item) {
      return new Promise((taken, refused) => {
        if (failure !== undefined) return refused(failure.reason);
        items.push({ item, taken, refused });
        wake();
      });
    },
    fail(reason) {
      failure ??= { reason };
      for (const { refused } of items.splice(0)) refused(reason);
      wake();
    },
    async take() {
      for (;;) {
        if (failure !== undefined) throw failure.reason;
        const first = items.shift();
        if (first !== undefined) {
          first.taken();
          return first.item;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
