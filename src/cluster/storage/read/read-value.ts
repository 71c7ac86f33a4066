import type { LaterValue, StoredValue } from "../key-view.ts";
import type { LogState } from "../state.ts";
import { type PlacedValue, readPlaced, readPlacedNow, toStored } from "./placed-value.ts";

/** See `KeyView.get`. */
export async function readValue(state: LogState, key: string): Promise<StoredValue | undefined> {
  return await valueLater(state, key)?.read();
}

/** See `KeyView.getNow`. */
export function valueNow(state: LogState, key: string): StoredValue | "no value" | "on disk" {
  const place = state.placeValue(key);
  if (place === undefined) return "no value";
  return cachedValue(state, place) ?? readPlacedNow(place, state.options.dbfile) ?? "on disk";
}

/** See `KeyView.valueLater`. */
export function valueLater(state: LogState, key: string): LaterValue | undefined {
  const place = state.placeValue(key);
  if (place === undefined) return undefined;
  const { seq, revision } = place;
  return {
    seq,
    revision,
    async read() {
      const cached = cachedValue(state, place);
      if (cached !== undefined) return cached;
      // In a file that has replaced this one since, the value stands elsewhere, if at all.
      return place.file === state.file ? await readPlaced(place, state.options.dbfile) : undefined;
    },
  };
}

function cachedValue(state: LogState, { key, seq, revision }: PlacedValue): StoredValue | undefined {
  const change = state.tail.at(seq)?.record.changes.find((each) => each.key === key);
  return change && toStored(change, revision);
}
