import type { KeyView } from "../storage/key-view.ts";
import type { Change } from "../storage/model.ts";
import type { PreviousValue } from "./step.ts";

/**
 * Returns a function that reads the value that a change replaces. Call it before the change is visible. The value is read
 * only when it is sent, so that it does not wait in memory.
 */
export function previousLater(store: KeyView, change: Change): (() => Promise<PreviousValue>) | undefined {
  const { key, previous } = change;
  if (previous === 0) return undefined;
  const later = store.valueLater(key);
  if (later?.seq !== previous) return () => previousInLog(store, change);
  const { revision } = later;
  return async () => {
    const value = await later.read().catch(() => undefined);
    return { revision, value: value ?? (await previousInLog(store, change)).value };
  };
}

/**
 * The value that a change has replaced, if the log still has it. If it does not, nobody knows whether that was a copy, and
 * the revision is the own one of its record.
 */
export async function previousInLog(store: KeyView, change: Change): Promise<PreviousValue> {
  const { key, previous } = change;
  const [record] = previous > store.base.seq ? ((await store.read(previous - 1, 1)) ?? []) : [];
  const revision = record?.move?.kind === "copy" ? record.move.revision : store.revisionOf(previous);
  const before = record?.changes.find((candidate) => candidate.key === key);
  if (before?.kind !== "put") return { revision, value: undefined };
  const { value, text, expiresMs } = before;
  return { revision, value: { value, text, expiresMs, revision } };
}
