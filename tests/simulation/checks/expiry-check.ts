import type { PutOptions } from "../../../src/cluster/node/key-service.ts";
import type { StoredValue } from "../../../src/cluster/storage/key-view.ts";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import { changeOf, type ShadowLog } from "./shadow-log.ts";

/** What a record that its primary adds to its log ends before its time, by the primary's clock; undefined if nothing. */
export function earlyExpiry(
  { seq, changes }: LogRecord,
  committed: readonly (LogRecord | undefined)[],
  { records }: ShadowLog,
  wallMs: number,
): string | undefined {
  for (const { kind, key, previous } of changes) {
    if (kind !== "expire") continue;
    // `previous` is a place in this log, which may have a copy.
    const ended = records.get(previous) ?? committed[previous - 1];
    if (ended === undefined) continue;
    const { expiresMs } = changeOf(ended, key) ?? {};
    if (expiresMs !== undefined && expiresMs <= wallMs) continue;
    const when = expiresMs === undefined ? "never" : `only in ${(expiresMs - wallMs).toFixed(1)} ms`;
    return `ends ${key} of revision ${previous} by record ${seq}, and it expires ${when}`;
  }
  return undefined;
}

/** Whether a value is shown after its time, by the clock of who shows it: over all that this showed during the call. */
export function isOverdue(
  { expiresMs }: Pick<StoredValue, "expiresMs">,
  wallsMs: readonly number[],
): boolean {
  return expiresMs !== undefined && wallsMs.every((wallMs) => wallMs >= expiresMs);
}

/** What is wrong with the time at which a key is to expire that was put while the clock showed times between these. */
export function problemWithTime(
  expiresMs: number | undefined,
  { ttlMs, requestId }: PutOptions,
  wallsMs: readonly number[],
): string | undefined {
  // Another attempt may have been taken at another time, by another node.
  if (requestId !== undefined) return undefined;
  if (ttlMs === undefined || expiresMs === undefined) {
    return expiresMs === ttlMs ? undefined : `live for ${ttlMs} ms, to expire at ${expiresMs}`;
  }
  const isSoon = expiresMs < Math.min(...wallsMs) + ttlMs;
  const isLate = expiresMs > Math.max(...wallsMs) + ttlMs + 1;
  return isSoon || isLate ? `live for ${ttlMs} ms, to expire too ${isSoon ? "soon" : "late"}` : undefined;
}
