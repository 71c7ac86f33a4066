import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ScannedEntry, ScanReader } from "../../../../src/cluster/storage/key-view.ts";
import type { LogStore } from "../../../../src/cluster/storage/log-store.ts";
import { dbfile, deletion, openOn, put, text } from "../../../support/log-fixtures.ts";
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

function shown(found: readonly ScannedEntry[]): string[] {
  return found.map(({ key, value }) => `${key}=${text(value)}`);
}

function some(scan: ScanReader, keysMax: number): Promise<ScannedEntry[]> {
  return scan.nextEntries({ keysMax, bytesMax: 100_000 });
}

/** Everything that is left, some keys at a time. */
async function rest(scan: ScanReader, max = 2): Promise<string[]> {
  const lines: string[] = [];
  for (let found = await some(scan, max); found.length > 0; found = await some(scan, max))
    lines.push(...shown(found));
  return lines;
}

const letters = ["b", "d", "a", "c", "e"];

describe("a scan", () => {
  it("gives the keys of its range in their order, from either end", async () => {
    const { store } = await logWith(["b", "a", "ab", "\uffff", "😀", "ac"]);
    const keysOf = async (range: Parameters<LogStore["openScan"]>[0]) => {
      const scan = store.openScan(range);
      const keys = scan.nextKeys(100).map(({ key }) => key);
      assert.deepEqual(scan.nextKeys(100), []);
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
      const first = shown(await some(scan, 1));
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
      assert.deepEqual(scan.nextKeys(1), []);
      await scan.close();
      const now = store.openScan({});
      assert.deepEqual(await rest(now), ["a=2", "ab=first ab", "b=2", "bb=2", "bc=first bc", "d=2", "f=2"]);
      await now.close();
      await store.close();
    }
  });

  it("reads old values also when compaction has dropped them from the log", async () => {
    const { disk, store: before } = await logWith(letters);
    await before.close();
    const store = await openOn(disk);
    const scan = store.openScan({});
    const first = some(scan, 1);
    await change(store, ["a", "2"], ["b", "2"], ["c"]);
    await store.compact();
    await change(store, ["d", "3"]);
    await store.compact();
    assert.deepEqual(shown(await first), ["a=first a"]);
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

  it("gives as many entries as were asked for, and a long one by itself", async () => {
    const lengths = { a: 100, b: 1000, c: 100, d: 100, e: 100 };
    const { store } = await logWith([]);
    await change(store, ...Object.entries(lengths).map(([key, n]): [string, string] => [key, "v".repeat(n)]));
    const scan = store.openScan({});
    const steps: string[] = [];
    for (let found = await next(); found.length > 0; found = await next())
      steps.push(found.map(({ key }) => key).join());
    assert.deepEqual(steps, ["a", "b", "c,d", "e"]);
    await scan.close();
    await store.close();

    function next() {
      return scan.nextEntries({ keysMax: 2, bytesMax: 500 });
    }
  });

  it("reads values that stand near each other together, whatever their order", async () => {
    const keys = Array.from({ length: 200 }, (_, index) => `key ${(index * 77) % 200}`);
    const { disk, store: before } = await logWith(keys);
    await change(before, ["long", "v".repeat(300_000)], ["far", "1"]);
    await before.close();
    const store = await openOn(disk);
    const scan = store.openScan({});
    let reads = 0;
    disk.intercept = ({ kind }) => {
      if (kind === "read") reads++;
    };
    const found = await scan.nextEntries({ keysMax: 300, bytesMax: 1_000_000 });
    disk.intercept = undefined;
    const values = new Map([...keys.map((key) => [key, `first ${key}`] as const), ["far", "1"]]);
    values.set("long", "v".repeat(300_000));
    const expected = [...values].sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(
      shown(found),
      expected.map(([key, value]) => `${key}=${value}`),
    );
    assert.equal(reads, 3, "those before the long one, the long one, and that behind it");
    await scan.close();
    await store.close();
  });

  it("gives no value that has become unreadable", async () => {
    const { disk, store: before } = await logWith(letters);
    await before.close();
    const store = await openOn(disk);
    const bytes = disk.contents(dbfile) ?? Buffer.alloc(0);
    disk.flip(dbfile, bytes.indexOf(Buffer.from("first c").toString("base64")), 1);
    const scan = store.openScan({});
    assert.deepEqual(shown(await some(scan, 2)), ["a=first a", "b=first b"]);
    await assert.rejects(some(scan, 2), { code: "damaged", message: /record 4 of .* \(byte \d+\)/ });
    await scan.close();
    await store.close();
  });

  it("fails when more changes under it than is kept apart", { timeout: 60_000 }, async () => {
    const keys = Array.from({ length: 101_000 }, (_, index) => `key ${String(index).padStart(6, "0")}`);
    const { store } = await logWith(keys);
    const scan = store.openScan({});
    const other = store.openScan({ end: "key 000500" });
    assert.equal(scan.nextKeys(500).length, 500);
    await change(store, ...keys.map((key): [string, string] => [key, "2"]));
    assert.throws(() => scan.nextKeys(1), { code: "overrun" });
    assert.equal(other.nextKeys(1000).length, 500);
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
    assert.throws(() => scan.nextKeys(1), { code: "overrun" });
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
    const first = some(cut, 1);
    await store.truncate(4);
    assert.throws(() => cut.nextKeys(1), { code: "superseded" });
    await assert.rejects(some(cut, 1), { code: "superseded" });
    // What was asked for before is read to its end.
    assert.deepEqual(shown(await first), ["a=first a"]);
    await cut.close();
    assert.throws(() => cut.nextKeys(1), { code: "closed" });
    await assert.rejects(some(cut, 1), { code: "closed" });

    const replaced = store.openScan({});
    const copy = await store.beginSnapshot({ base: { epoch: 1, seq: 9 }, epochs: [], requestsAfter: 0 });
    await copy.write([put(1, 8, "z", "1")]);
    await copy.finish();
    assert.throws(() => replaced.nextKeys(1), { code: "superseded" });
    await replaced.close();

    const last = store.openScan({});
    await store.close();
    assert.throws(() => last.nextKeys(1), { code: "closed" });
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
