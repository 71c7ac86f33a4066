import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deleting, deletion, openOn, put, putting, text } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

async function newLog() {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ cluster: "c1", group: "g", number: 1 });
  return { disk, store };
}

describe("onVisible", () => {
  it("tells of each record once, in order, when the values that it replaces can still be read", async () => {
    const { store } = await newLog();
    const seen: [number, Promise<string | undefined>][] = [];
    const end = store.onVisible(({ seq, changes }) => {
      const [change] = changes;
      seen.push([seq, store.get(change?.key ?? "").then((stored) => text(stored?.value))]);
    });
    await store.append([put(1, 1, "a", "1"), put(1, 2, "a", "2"), deletion(1, 3, "a")]);
    assert.equal(seen.length, 0);
    store.commit(2);
    assert.deepEqual(store.visible, { epoch: 1, seq: 2 });
    store.commit(3);
    end();
    await store.append([put(2, 4, "a", "4")]);
    store.commit(4);
    assert.deepEqual(store.visible, { epoch: 2, seq: 4 });
    assert.deepEqual(await Promise.all(seen.map(async ([seq, value]) => [seq, await value])), [
      [1, undefined],
      [2, "1"],
      [3, "2"],
    ]);
    await store.close();
  });

  it("comes when a record that was committed ahead of the disk gets there", async () => {
    const { store } = await newLog();
    const seen: number[] = [];
    store.onVisible(({ seq }) => seen.push(seq));
    const appended = store.append([put(1, 1, "a", "1")]);
    store.commit(1);
    assert.deepEqual(seen, []);
    await appended;
    assert.deepEqual(seen, [1]);
    await store.close();
  });
});

describe("pendingFacts", () => {
  it("tells revision and expiry once everything is committed", async () => {
    const { store } = await newLog();
    await store.append([
      { epoch: 1, seq: 1, changes: [putting("a", "1", { expiresMs: 100 }), putting("b", "1")] },
      { epoch: 1, seq: 2, changes: [putting("a", "2"), deleting("b"), putting("c", "2", { expiresMs: 50 })] },
    ]);
    const facts = () => ["a", "b", "c"].map((key) => store.pendingFacts(key));
    const revision = { seq: 2, revision: 2 };
    const expected = [{ ...revision, expiresMs: undefined }, undefined, { ...revision, expiresMs: 50 }];
    assert.deepEqual(facts(), expected);
    store.commit(1);
    assert.deepEqual(facts(), expected);
    store.commit(2);
    assert.deepEqual(facts(), expected);
    await store.close();
  });
});

describe("a value that is to be read later", () => {
  it("is the one that was visible, also when it is not any more; until the log is rewritten", async () => {
    const { store } = await newLog();
    assert.equal(store.valueLater("a"), undefined);
    await store.append([put(1, 1, "a", "1"), put(1, 2, "a", "2"), put(1, 3, "a", "3")]);
    store.commit(1);
    const first = store.valueLater("a");
    store.commit(2);
    const second = store.valueLater("a");
    store.commit(3);
    // So that nothing of it is left in memory.
    await store.append([put(1, 4, "b", "x".repeat(9 * 1024 * 1024))]);
    store.commit(4);
    assert.equal(String(Buffer.from((await first?.read())?.value ?? [])), "1");
    assert.equal((await second?.read())?.revision, 2);
    await store.compact();
    assert.equal(await second?.read(), undefined);
    await store.close();
  });
});

describe("keys that expire", () => {
  it("are named by their time once they are visible, until they are overwritten or removed", async () => {
    const { disk, store } = await newLog();
    const expiring = ["a", "b", "c", "d"].map((key, index) => {
      return putting(key, "1", { expiresMs: 400 - 100 * index });
    });
    await store.append([{ epoch: 1, seq: 1, changes: expiring }]);
    assert.deepEqual(store.expired(1000, 10), []);
    store.commit(1);
    assert.deepEqual(store.expired(99, 10), []);
    assert.deepEqual(store.expired(300, 10), ["b", "c", "d"]);
    assert.deepEqual(store.expired(300, 2), ["b", "c"]);
    assert.deepEqual(store.expired(300, 10, { start: "c" }), ["c", "d"]);
    assert.deepEqual(store.expired(300, 10, { after: "b", end: "d" }), ["c"]);
    assert.deepEqual(store.expired(300, 10, { after: "d", reverse: true }), ["b", "c"]);
    assert.deepEqual(store.expired(300, 10, { prefix: "a" }), []);
    await store.append([
      { epoch: 1, seq: 2, changes: [deleting("d", { kind: "expire", previous: 1 }), putting("c", "2")] },
      { epoch: 1, seq: 3, changes: [putting("b", "2", { expiresMs: 500 })] },
    ]);
    assert.deepEqual(store.expired(300, 10), ["b", "c", "d"]);
    store.commit(3);
    assert.deepEqual(store.expired(1000, 10), ["a", "b"]);
    await store.compact();
    await store.close();
    const again = await openOn(disk);
    assert.deepEqual(again.expired(399, 10), []);
    assert.deepEqual(again.expired(1000, 10), ["a", "b"]);
    assert.equal((await again.get("b"))?.expiresMs, 500);
    assert.equal(await again.get("d"), undefined);
    await again.close();
  });
});
