import { compareKeys } from "../../../common/key-order.ts";
import { LogStoreError } from "../errors.ts";
import { type KeyItems, KeyOrderSet } from "../index/key-order-set.ts";
import { boundsOf, isWithin, type KeyBounds } from "../index/key-range.ts";
import type { KeyRange, ScannedKey, ScanReader } from "../key-view.ts";
import type { LogFile } from "../log-file.ts";
import type { Position } from "../model.ts";
import type { LogState } from "../state.ts";
import type { Observer } from "./open-scans.ts";
import { type PlacedValue, readPlaced } from "./placed-value.ts";

/** Changed keys that one scan is kept apart. */
const keptMax = 100_000;

/** A file is kept for as long as a scan may read old values from it: each compaction adds one. */
const filesMax = 4;

/** See `KeyView.openScan`. */
export function openScan(state: LogState, range: KeyRange): ScanReader {
  const scan = new Scan(state, boundsOf(range));
  state.scans.add(scan);
  return scan;
}

/**
 * Reads the keys as they are now, but for those that have changed since it was opened: of these it has kept what they
 * were, if they had not been read yet.
 */
class Scan implements ScanReader, Observer {
  readonly at: Position;
  readonly #state: LogState;
  /** What has not been read yet. */
  #bounds: KeyBounds;
  #isAtEnd = false;
  readonly #kept = new Map<string, PlacedValue | undefined>();
  readonly #keptOrder = new KeyOrderSet(plainKeys);
  readonly #files = new Set<LogFile>();
  #failure: LogStoreError | undefined;

  constructor(state: LogState, bounds: KeyBounds) {
    this.#state = state;
    this.#bounds = bounds;
    this.at = state.positions.visible;
  }

  get keptCount(): number {
    return this.#kept.size;
  }

  wants(key: string): boolean {
    return !this.#isAtEnd && isWithin(key, this.#bounds) && !this.#kept.has(key);
  }

  keep(key: string, before: PlacedValue | undefined): void {
    if (this.#kept.size >= keptMax) {
      this.#state.scans.delete(this);
      this.fail(
        new LogStoreError("overrun", `more than ${keptMax} keys changed before the scan came to them`),
      );
      return;
    }
    this.#kept.set(key, before);
    this.#keptOrder.add(key, key);
    if (before !== undefined) this.#hold(before.file);
  }

  fail(error: LogStoreError): void {
    this.#failure ??= error;
    this.#kept.clear();
  }

  next(max: number): ScannedKey[] {
    this.#state.health.checkReadable();
    if (this.#failure !== undefined) throw this.#failure;
    const found: ScannedKey[] = [];
    const passed: string[] = [];
    for (const key of this.#isAtEnd ? [] : this.#keys()) {
      if (found.length === max) break;
      passed.push(key);
      const value = this.#kept.has(key) ? this.#kept.get(key) : this.#state.placeValue(key);
      if (value !== undefined) found.push(this.#scanned(key, value));
    }
    this.#pass(passed);
    this.#isAtEnd = found.length < max;
    if (this.#failure !== undefined) throw this.#failure;
    return found;
  }

  async close(): Promise<void> {
    this.#state.scans.delete(this);
    this.#failure = new LogStoreError("closed", "the scan is closed");
    this.#kept.clear();
    const files = [...this.#files];
    this.#files.clear();
    for (const file of files) await file.release();
  }

  #scanned(key: string, place: PlacedValue): ScannedKey {
    this.#hold(place.file);
    const { seq, expiresMs } = place;
    return {
      key,
      revision: seq,
      expiresMs,
      value: () => {
        if (this.#files.has(place.file)) return readPlaced(place, this.#state.options.dbfile);
        return Promise.reject(new LogStoreError("closed", "the scan is closed"));
      },
    };
  }

  /** Live and kept keys in one order. */
  *#keys(): Generator<string, void, void> {
    const { order } = this.#state.keys;
    const direction = this.#bounds.reverse ? -1 : 1;
    const live = keysWithin(order, this.#bounds);
    const kept = keysWithin(this.#keptOrder, this.#bounds);
    let nextLive = live.next();
    let nextKept = kept.next();
    while (!nextLive.done || !nextKept.done) {
      const comparison = nextLive.done
        ? 1
        : nextKept.done
          ? -1
          : direction * compareKeys(nextLive.value, nextKept.value);
      if (comparison <= 0 && !nextLive.done) yield nextLive.value;
      else if (!nextKept.done) yield nextKept.value;
      if (comparison <= 0) nextLive = live.next();
      if (comparison >= 0) nextKept = kept.next();
    }
  }

  #pass(keys: readonly string[]): void {
    const last = keys.at(-1);
    if (last === undefined) return;
    const bounds = this.#bounds;
    this.#bounds = bounds.reverse
      ? { ...bounds, high: last }
      : { ...bounds, low: last, isLowIncluded: false };
    for (const key of keys) if (this.#kept.delete(key)) this.#keptOrder.delete(key);
  }

  #hold(file: LogFile): void {
    if (this.#files.has(file)) return;
    file.use();
    this.#files.add(file);
    if (this.#files.size <= filesMax) return;
    this.#state.scans.delete(this);
    this.fail(
      new LogStoreError("overrun", `the log was compacted ${filesMax} times since the scan was opened`),
    );
  }
}

const plainKeys: KeyItems<string> = {
  comparing: (key) => (item) => compareKeys(item, key),
  keyOf: (item) => item,
  expiresMsOf: () => undefined,
};

function* keysWithin(
  order: Pick<KeyOrderSet<unknown>, "ascending" | "descending">,
  bounds: KeyBounds,
): Generator<string, void, void> {
  const { low, isLowIncluded, high, reverse } = bounds;
  for (const key of reverse ? order.descending(high) : order.ascending(low, isLowIncluded)) {
    if (!isWithin(key, bounds)) return;
    yield key;
  }
}
