import type { KeyView } from "../storage/key-view.ts";
import type { Change } from "../storage/model.ts";
import type { PreviousValue } from "./step.ts";

/**
 * Returns a function that reads the value that a change replaces. Call it before the change is visible. The value is read
 * only when it is sent, so that it does not wait in memory.
 */
export function previousLater(store: KeyView, change: Change): (() => Promise<PreviousValue>) | undefined {
  const { key, previous: revision } = change;
  if (revision === 0) return undefined;
  const read = store.valueLater(key);
  return async () => {
    const value = await read?.().catch(() => undefined);
    return value?.revision === revision ? { revision, value } : await previousInLog(store, change);
  };
}

/** The value that a change has replaced, if the log still has it. */
export async function previousInLog(store: KeyView, change: Change): Promise<PreviousValue> {
  const { key, previous: revision } = change;
  const [record] = revision > store.base.seq ? ((await store.read(revision - 1, 1)) ?? []) : [];
  const before = record?.changes.find((candidate) => candidate.key === key);
  if (before?.kind !== "put") return { revision, value: undefined };
  const { value, text, expiresMs } = before;
  return { revision, value: { value, text, expiresMs, revision } };
}
