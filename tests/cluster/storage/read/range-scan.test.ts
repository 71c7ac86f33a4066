import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ScannedKey, ScanReader } from "../../../../src/cluster/storage/key-view.ts";
import type { LogStore } from "../../../../src/cluster/storage/log-store.ts";
import { deletion, openOn, put, text } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

async function logWith(keys: readonly string[]) {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ cluster: "c1", group: "g", number: 1 });
  await store.append(keys.map((key, index) => put(1, index + 1, key, `first ${key}`)));
  store.commit(store.last.seq);
  return { disk, store };
}

/** Appends and commits. */
async function change(store: LogStore, ...changes: readonly (readonly [string, string?])[]) {
  const records = changes.map(([key, value], index) => {
    const seq = store.last.seq + 1 + index;
    return value === undefined ? deletion(1, seq, key) : put(1, seq, key, value);
  });
  await store.append(records);
  store.commit(store.last.seq);
}

async function shown(found: readonly ScannedKey[]): Promise<string[]> {
  const lines: string[] = [];
  for (const { key, revision, value } of found) {
    const stored = await value();
    assert.equal(stored.revision, revision);
    lines.push(`${key}=${text(stored.value)}`);
  }
  return lines;
}

/** Everything that is left, some keys at a time. */
async function rest(scan: ScanReader, max = 2): Promise<string[]> {
  const lines: string[] = [];
  for (let found = scan.next(max); found.length > 0; found = scan.next(max))
    lines.push(...(await shown(found)));
  return lines;
}

const letters = ["b", "d", "a", "c", "e"];

describe("a scan", () => {
  it("gives the keys of its range in their order, from either end", async () => {
    const { store } = await logWith(["b", "a", "ab", "\uffff", "😀", "ac"]);
    const keysOf = async (range: Parameters<LogStore["openScan"]>[0]) => {
      const scan = store.openScan(range);
      const keys = scan.next(100).map(({ key }) => key);
      assert.deepEqual(scan.next(100), []);
      await scan.close();
      return keys;
    };
    assert.deepEqual(await keysOf({}), ["a", "ab", "ac", "b", "\uffff", "😀"]);
    assert.deepEqual(await keysOf({ reverse: true }), ["😀", "\uffff", "b", "ac", "ab", "a"]);
    assert.deepEqual(await keysOf({ prefix: "a", after: "a" }), ["ab", "ac"]);
    assert.deepEqual(await keysOf({ prefix: "a", after: "ac", reverse: true }), ["ab", "a"]);
    assert.deepEqual(await keysOf({ start: "ac", end: "\uffff" }), ["ac", "b"]);
    assert.deepEqual(await keysOf({ start: "b", end: "a" }), []);
    await store.close();
  });

  it("shows the moment of its beginning, whatever changes meanwhile, before and behind it", async () => {
    for (const reverse of [false, true]) {
      const { store } = await logWith([...letters, "bc", "ab"]);
      const scan = store.openScan({ reverse });
      assert.deepEqual(scan.at, { epoch: 1, seq: 7 });
      const first = await shown(scan.next(1));
      await change(
        store,
        ["a", "2"],
        ["b", "2"],
        ["bb", "2"],
        ["c"],
        ["d"],
        ["d", "2"],
        ["e"],
        ["e", "2"],
        ["e"],
        ["f", "2"],
      );
      const all = ["a", "ab", "b", "bc", "c", "d", "e"].map((key) => `${key}=first ${key}`);
      assert.deepEqual([...first, ...(await rest(scan))], reverse ? all.toReversed() : all);
      assert.deepEqual(scan.next(1), []);
      await scan.close();
      const now = store.openScan({});
      assert.deepEqual(await rest(now), ["a=2", "ab=first ab", "b=2", "bb=2", "bc=first bc", "d=2", "f=2"]);
      await now.close();
      await store.close();
    }
  });

  it("reads old values also when compaction has dropped them from the log", async () => {
    const { store } = await logWith(letters);
    const scan = store.openScan({});
    const [first] = scan.next(1);
    await change(store, ["a", "2"], ["b", "2"], ["c"]);
    await store.compact();
    await change(store, ["d", "3"]);
    await store.compact();
    assert.deepEqual(await shown(first === undefined ? [] : [first]), ["a=first a"]);
    assert.deepEqual(await rest(scan), ["b=first b", "c=first c", "d=first d", "e=first e"]);
    await scan.close();
    await store.close();
  });

  it("reads from the disk what memory does not keep", async () => {
    const { disk, store: before } = await logWith(letters);
    await before.close();
    const store = await openOn(disk);
    const scan = store.openScan({ prefix: "c" });
    assert.deepEqual(await rest(scan), ["c=first c"]);
    await scan.close();
    await store.close();
  });

  it("fails when more changes under it than is kept apart", { timeout: 60_000 }, async () => {
    const keys = Array.from({ length: 101_000 }, (_, index) => `key ${String(index).padStart(6, "0")}`);
    const { store } = await logWith(keys);
    const scan = store.openScan({});
    const other = store.openScan({ end: "key 000500" });
    assert.equal(scan.next(500).length, 500);
    await change(store, ...keys.map((key): [string, string] => [key, "2"]));
    assert.throws(() => scan.next(1), { code: "overrun" });
    assert.equal(other.next(1000).length, 500);
    await scan.close();
    await other.close();
    await store.close();
  });

  it("fails rather than hold on to one file after the other", async () => {
    const { store } = await logWith(letters);
    const scan = store.openScan({});
    for (const key of letters) {
      await change(store, [key, "2"]);
      await store.compact();
    }
    assert.throws(() => scan.next(1), { code: "overrun" });
    await scan.close();
    await store.close();
  });

  it("is one of 64 at most", async () => {
    const { store } = await logWith(letters);
    const scans = Array.from({ length: 64 }, () => store.openScan({}));
    assert.throws(() => store.openScan({}), { code: "overrun" });
    await scans[0]?.close();
    const another = store.openScan({});
    for (const scan of [...scans, another]) await scan.close();
    await store.close();
  });

  it("ends with its log: by a copy, a cut, or the end of the store", async () => {
    const { disk, store: before } = await logWith(letters);
    await before.close();
    const store = await openOn(disk);
    const cut = store.openScan({});
    const [first] = cut.next(1);
    await store.truncate(4);
    assert.throws(() => cut.next(1), { code: "superseded" });
    // What was given stays readable until the scan is closed.
    assert.deepEqual(await shown(first === undefined ? [] : [first]), ["a=first a"]);
    await cut.close();
    assert.throws(() => cut.next(1), { code: "closed" });
    await assert.rejects(async () => first?.value(), { code: "closed" });

    const replaced = store.openScan({});
    const copy = await store.beginSnapshot({ base: { epoch: 1, seq: 9 }, epochs: [], requestsAfter: 0 });
    await copy.write([put(1, 8, "z", "1")]);
    await copy.finish();
    assert.throws(() => replaced.next(1), { code: "superseded" });
    await replaced.close();

    const last = store.openScan({});
    await store.close();
    assert.throws(() => last.next(1), { code: "closed" });
    await last.close();
  });

  it("is told of no change that is not visible", async () => {
    const { store } = await logWith(letters);
    await store.append([put(1, 6, "a", "2"), put(1, 7, "aa", "2")]);
    const scan = store.openScan({ end: "b" });
    store.commit(7);
    assert.deepEqual(await rest(scan), ["a=first a"]);
    await scan.close();
    const later = store.openScan({ end: "b" });
    assert.deepEqual(await rest(later), ["a=2", "aa=2"]);
    await later.close();
    await store.close();
  });
});
