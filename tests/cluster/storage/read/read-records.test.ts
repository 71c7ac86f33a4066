import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord } from "../../../../src/cluster/storage/model.ts";
import { newLog, openOn, plain, put, someRecords, text } from "../../../support/log-fixtures.ts";

describe("read", () => {
  it("gives records in order from memory and from disk alike, about as many bytes as asked for", async () => {
    const { disk, store } = await newLog();
    const records = someRecords(2000, 100);
    await store.append(records);
    const fromMemory = await store.read(0, Number.MAX_SAFE_INTEGER);
    assert.deepEqual(
      fromMemory?.map(({ seq }) => seq),
      records.map(({ seq }) => seq),
    );
    await store.close();
    const again = await openOn(disk);
    for (const after of [0, 1, 999, 1500, 1998]) {
      const read = await again.read(after, Number.MAX_SAFE_INTEGER);
      assert.deepEqual(plain(read), plain(records.slice(after)));
      const some = await again.read(after, 200);
      assert.ok(some !== undefined && some.length >= 1 && some.length < 40);
      assert.deepEqual(plain(some), plain(records.slice(after, after + some.length)));
    }
    assert.deepEqual(await again.read(2000, 100), []);
    await again.close();
  });

  it("gives records that are in the file, on disk or not, and no others", async () => {
    const { disk, store } = await newLog();
    const reached = { write: Promise.withResolvers<void>(), datasync: Promise.withResolvers<void>() };
    const goOn = { write: Promise.withResolvers<void>(), datasync: Promise.withResolvers<void>() };
    disk.intercept = async ({ kind }) => {
      if (kind !== "write" && kind !== "datasync") return;
      reached[kind].resolve();
      await goOn[kind].promise;
    };
    const keysRead = async () => (await store.read(0, 100))?.map(({ changes }) => changes[0]?.key);
    const appended = store.append([put(1, 1, "a", "1")]);
    await reached.write.promise;
    assert.equal(store.written.seq, 0);
    assert.deepEqual(await keysRead(), []);
    goOn.write.resolve();
    await reached.datasync.promise;
    assert.equal(store.durable.seq, 0);
    assert.equal(store.written.seq, 1);
    assert.deepEqual(await keysRead(), ["a"]);
    goOn.datasync.resolve();
    await appended;
    await store.close();
  });

  it("goes to the disk for what memory does not keep", async () => {
    const { store } = await newLog();
    const value = "x".repeat(100_000);
    for (let seq = 1; seq <= 150; seq++) {
      await store.append([put(1, seq, `key ${seq}`, `${seq} ${value}`)]);
      store.commit(seq);
    }
    const records: LogRecord[] = [];
    while (records.length < 150) records.push(...((await store.read(records.length, 1_000_000)) ?? []));
    assert.deepEqual(
      records.map(({ seq, changes }) => [seq, changes[0]?.key, text(changes[0]?.value)]),
      Array.from({ length: 150 }, (_, index) => [index + 1, `key ${index + 1}`, `${index + 1} ${value}`]),
    );
    assert.equal(text((await store.get("key 1"))?.value), `1 ${value}`);
    await store.close();
  });
});
