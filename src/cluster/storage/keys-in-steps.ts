import type { KeyView } from "./key-view.ts";

/**
 * The visible keys in their order, in steps of at most so many: for what goes through all keys of a log while calls go on. A
 * key that is written meanwhile may be left out.
 */
export async function* keysInSteps(
  store: Pick<KeyView, "openScan">,
  stepKeys: number,
): AsyncGenerator<string[], void, void> {
  for (let after: string | undefined; ; ) {
    // Another reader for each step: one over all keys would have to keep what is overwritten meanwhile.
    const reader = store.openScan({ after });
    const keys = reader.nextKeys(stepKeys).map(({ key }) => key);
    await reader.close();
    if (keys.length === 0) return;
    after = keys.at(-1);
    yield keys;
  }
}
