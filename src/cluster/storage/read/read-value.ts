import type { StoredValue } from "../key-view.ts";
import type { LogState } from "../state.ts";
import { readPlaced, toStored } from "./placed-value.ts";

/** See `KeyView.get`. */
export async function readValue(state: LogState, key: string): Promise<StoredValue | undefined> {
  return await valueLater(state, key)?.();
}

/** See `KeyView.valueLater`. */
export function valueLater(
  state: LogState,
  key: string,
): (() => Promise<StoredValue | undefined>) | undefined {
  const place = state.placeValue(key);
  if (place === undefined) return undefined;
  return async () => {
    const cached = state.tail.at(place.seq)?.record.changes.find((change) => change.key === key);
    if (cached !== undefined) return toStored(cached, place.seq);
    // In a file that has replaced this one since, the value stands elsewhere, if at all.
    return place.file === state.file ? await readPlaced(place, state.options.dbfile) : undefined;
  };
}
