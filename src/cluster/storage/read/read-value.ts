import type { StoredValue } from "../key-view.ts";
import type { LogState } from "../state.ts";
import { readPlaced, readPlacedNow, toStored } from "./placed-value.ts";

/** See `KeyView.get`. */
export async function readValue(state: LogState, key: string): Promise<StoredValue | undefined> {
  return await valueLater(state, key)?.();
}

/** See `KeyView.getNow`. */
export function valueNow(state: LogState, key: string): StoredValue | "no value" | "on disk" {
  const place = state.placeValue(key);
  if (place === undefined) return "no value";
  return cachedValue(state, key, place.seq) ?? readPlacedNow(place, state.options.dbfile) ?? "on disk";
}

/** See `KeyView.valueLater`. */
export function valueLater(
  state: LogState,
  key: string,
): (() => Promise<StoredValue | undefined>) | undefined {
  const place = state.placeValue(key);
  if (place === undefined) return undefined;
  return async () => {
    const cached = cachedValue(state, key, place.seq);
    if (cached !== undefined) return cached;
    // In a file that has replaced this one since, the value stands elsewhere, if at all.
    return place.file === state.file ? await readPlaced(place, state.options.dbfile) : undefined;
  };
}

function cachedValue(state: LogState, key: string, seq: number): StoredValue | undefined {
  const change = state.tail.at(seq)?.record.changes.find((each) => each.key === key);
  return change && toStored(change, seq);
}
