import type { Transaction, TransactionHandlers } from "../../src/zookeeper/index.ts";

/** Handlers that note what they are told, each as `commit id`. */
export interface NotingHandlers extends TransactionHandlers {
  readonly notes: string[];
  /** Resolves when it has been told this. */
  noted(note: string): Promise<void>;
}

/** Votes "yes", unless `prepare` says something else. */
export function notingHandlers(
  prepare: (transaction: Transaction) => Promise<boolean> = async () => true,
): NotingHandlers {
  const notes: string[] = [];
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  const note = (text: string) => {
    notes.push(text);
    waiting.get(text)?.resolve();
  };
  return {
    notes,
    async noted(text) {
      if (notes.includes(text)) return;
      const one = waiting.get(text) ?? Promise.withResolvers<void>();
      waiting.set(text, one);
      await one.promise;
    },
    async prepare(transaction) {
      note(`prepare ${transaction.id}`);
      return prepare(transaction);
    },
    async commit({ id }) {
      note(`commit ${id}`);
    },
    async abort({ id }) {
      note(`abort ${id}`);
    },
  };
}
