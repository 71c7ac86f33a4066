import { compareKeys } from "../../../common/key-order.ts";
import { LogStoreError } from "../errors.ts";
import { type KeyItems, KeyOrderSet } from "../index/key-order-set.ts";
import { boundsOf, isWithin, type KeyBounds } from "../index/key-range.ts";
import type { KeyRange, ScannedEntry, ScannedKey, ScanReader, ScanStep, StoredValue } from "../key-view.ts";
import type { LogFile } from "../log-file.ts";
import type { Position } from "../model.ts";
import type { LogState } from "../state.ts";
import type { Observer } from "./open-scans.ts";
import { type PlacedValue, toStored } from "./placed-value.ts";
import { readAllPlaced } from "./placed-values.ts";

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
  readonly revision: number;
  readonly #state: LogState;
  /** What has not been read yet. */
  #bounds: KeyBounds;
  #isAtEnd = false;
  #isClosed = false;
  readonly #kept = new Map<string, PlacedValue | undefined>();
  readonly #keptOrder = new KeyOrderSet(plainKeys);
  readonly #files = new Set<LogFile>();
  #failure: LogStoreError | undefined;

  constructor(state: LogState, bounds: KeyBounds) {
    this.#state = state;
    this.#bounds = bounds;
    this.at = state.positions.visible;
    this.revision = state.positions.moves.revisionOf(this.at.seq);
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

  nextKeys(max: number): ScannedKey[] {
    const found = this.#next({ keysMax: max, bytesMax: Number.POSITIVE_INFINITY });
    return found.map(({ key, revision, expiresMs }) => ({ key, revision, expiresMs }));
  }

  async nextEntries(step: ScanStep): Promise<ScannedEntry[]> {
    const found = this.#next(step);
    const values = await this.#valuesOf(found);
    return values.map((value, index) => ({ ...value, key: found[index]?.key ?? "" }));
  }

  async close(): Promise<void> {
    this.#state.scans.delete(this);
    this.#isClosed = true;
    this.#kept.clear();
    const files = [...this.#files];
    this.#files.clear();
    for (const file of files) await file.release();
  }

  /** Takes a step over the keys. */
  #next({ keysMax, bytesMax }: ScanStep): PlacedValue[] {
    this.#state.health.checkReadable();
    this.#checkGoingOn();
    const found: PlacedValue[] = [];
    const passed: string[] = [];
    let bytes = 0;
    let isFull = false;
    for (const key of this.#isAtEnd ? [] : this.#keys()) {
      const place = this.#kept.has(key) ? this.#kept.get(key) : this.#state.placeValue(key);
      bytes += place?.bytes ?? 0;
      isFull = found.length === keysMax || (found.length > 0 && bytes > bytesMax);
      if (isFull) break;
      passed.push(key);
      if (place !== undefined) found.push(place);
    }
    for (const { file } of found) this.#hold(file);
    this.#pass(passed);
    this.#isAtEnd = !isFull;
    this.#checkGoingOn();
    return found;
  }

  /** Reads the values that were found: from memory if they are new, and from the disk. */
  async #valuesOf(found: readonly PlacedValue[]): Promise<StoredValue[]> {
    const { tail, options } = this.#state;
    const values: (StoredValue | undefined)[] = [];
    const onDisk: PlacedValue[] = [];
    for (const place of found) {
      const change = tail.at(place.seq)?.record.changes.find(({ key }) => key === place.key);
      values.push(change && toStored(change, place.revision));
      if (change === undefined) onDisk.push(place);
    }
    const read = (await readAllPlaced(onDisk, options.dbfile)).values();
    return values.flatMap((value) => value ?? read.next().value ?? []);
  }

  #checkGoingOn(): void {
    if (this.#isClosed) throw new LogStoreError("closed", "the scan is closed");
    if (this.#failure !== undefined) throw this.#failure;
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
