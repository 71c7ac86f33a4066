import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { contentsAfter, contentsOf, openOn, plain, put } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

describe("a log with a history", () => {
  const historyBytes = 200_000;

  async function logOf(count: number) {
    const disk = new SimulatedDisk();
    const store = await openOn(disk, { historyBytes });
    await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
    const records = Array.from({ length: count }, (_, index) => {
      return put(1, index + 1, `key ${index % 10}`, `${index} ${"x".repeat(1000)}`);
    });
    await store.append(records);
    store.commit(count);
    return { disk, store, records };
  }

  it("keeps at least its last bytes of records as they are in a compaction", async () => {
    const { disk, store, records } = await logOf(1000);
    await store.compact();
    assert.ok(store.base.seq > 0 && store.base.seq < 900, `${store.base.seq}`);
    const kept = await store.read(store.base.seq, Number.MAX_SAFE_INTEGER);
    assert.deepEqual(plain(kept), plain(records.slice(store.base.seq)));
    assert.ok(store.fileBytes > historyBytes && store.fileBytes < 2 * historyBytes, `${store.fileBytes}`);
    assert.deepEqual(await contentsOf(store), contentsAfter(records));
    await store.close();
    const again = await openOn(disk, { historyBytes });
    assert.deepEqual(await contentsOf(again), contentsAfter(records));
    assert.deepEqual(plain(await again.read(again.base.seq, Number.MAX_SAFE_INTEGER)), plain(kept));
    await again.close();
  });

  it("does not call it garbage, and leaves a log alone that is not larger", async () => {
    const { store } = await logOf(100);
    assert.equal(store.garbageBytes, 0);
    await store.compact();
    assert.equal(store.base.seq, 0);
    await store.close();
  });

  it("is compacted by itself only when there is enough of garbage beside it", async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk, { historyBytes: 2 * 1024 * 1024 });
    await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
    let largest = 0;
    let bases = 0;
    for (let seq = 1; seq <= 1500; seq++) {
      const { base } = store;
      await store.append([put(1, seq, `key ${seq % 20}`, "x".repeat(10_000))]);
      store.commit(seq);
      largest = Math.max(largest, store.fileBytes);
      if (store.base.seq > base.seq) bases++;
    }
    assert.ok(bases > 0 && bases < 10, `${bases} compactions`);
    assert.ok(largest < 7 * 1024 * 1024, `${largest} bytes`);
    await store.close();
  });
});
