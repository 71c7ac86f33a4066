import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogStore } from "../../../../src/cluster/storage/log-store.ts";
import type { LogRecord } from "../../../../src/cluster/storage/model.ts";
import {
  contentsAfter,
  contentsOf,
  deleting,
  openOn,
  plain,
  put,
  putting,
  rbfile,
  someRecords,
} from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

async function logWith(records: readonly LogRecord[]) {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
  await store.append(records);
  return { disk, store };
}

describe("a copy", () => {
  /** Everything that a reader gives. */
  async function readAll(store: LogStore): Promise<LogRecord[]> {
    const reader = await store.openSnapshot();
    const records: LogRecord[] = [];
    for (let part = await reader.next(300); part.length > 0; part = await reader.next(300))
      records.push(...part);
    await reader.close();
    return records;
  }

  it("makes another log the same", async () => {
    const records = someRecords(300);
    const { store: source } = await logWith(records);
    source.commit(250);
    const { store: target } = await logWith(
      someRecords(10).map(({ epoch, seq }) => put(epoch, seq, "other", "x")),
    );
    const reader = await source.openSnapshot();
    assert.deepEqual(reader.base, source.last);
    const copy = await target.beginSnapshot(reader);
    for (let part = await reader.next(500); part.length > 0; part = await reader.next(500))
      await copy.write(part);
    assert.equal(target.last.seq, 10);
    await copy.finish();
    assert.deepEqual(await contentsOf(target), contentsAfter(records));
    assert.deepEqual(target.last, source.last);
    assert.deepEqual(target.base, source.last);
    assert.deepEqual(target.epochs, source.epochs);
    assert.equal(target.identity?.number, 1);
    await reader.close();
    await source.close();
    await target.close();
  });

  it("has little more than the live records", async () => {
    const { store } = await logWith(someRecords(300));
    store.commit(300);
    const records = await readAll(store);
    assert.equal(records.length, store.keyCount);
    await store.close();
  });

  it("stands for the moment of its beginning, whatever happens meanwhile", async () => {
    const records = someRecords(300);
    const { store } = await logWith(records.slice(0, 200));
    store.commit(180);
    const reader = await store.openSnapshot();
    const copied = [...(await reader.next(500))];
    await store.append(records.slice(200));
    store.commit(300);
    for (let part = await reader.next(500); part.length > 0; part = await reader.next(500))
      copied.push(...part);
    assert.deepEqual(contentsAfter(copied), contentsAfter(records.slice(0, 200)));
    assert.equal(reader.base.seq, 200);
    await reader.close();
    await assert.rejects(reader.next(1), { code: "closed" });
    await store.close();
  });

  it("of some keys has no changes of others, and ends after reads that find nothing", async () => {
    const records = Array.from({ length: 500 }, (_, index) =>
      put(1, index + 1, `other-${index}`, "x".repeat(3000)),
    );
    const batch = {
      epoch: 1,
      seq: records.length + 1,
      changes: [putting("other-1", "2"), putting("wanted", "1"), deleting("other-2")],
      requestId: "r",
    };
    const answer = {
      epoch: 1,
      seq: batch.seq + 1,
      changes: [putting("other-3", "2")],
      requestId: "of-others",
    };
    const { store } = await logWith([...records, batch, answer]);
    store.commit(answer.seq);
    const reader = await store.openSnapshot((key) => key === "wanted");
    const found: LogRecord[] = [];
    let reads = 0;
    for (; !reader.isAtEnd; reads++) found.push(...(await reader.next(100)));
    assert.deepEqual(plain(found), plain([{ ...batch, changes: [putting("wanted", "1")] }]));
    assert.ok(reads > 2, `a log of ${store.fileBytes} bytes was looked through in ${reads} reads`);
    await reader.close();
    await store.close();
  });

  it("that another one replaces, or that is given up, leaves the log as it was", async () => {
    const { disk, store } = await logWith([put(1, 1, "a", "1")]);
    store.commit(1);
    const first = await store.beginSnapshot({
      base: { epoch: 1, seq: 9 },
      epochs: [{ epoch: 1, firstSeq: 1 }],
      requestsAfter: 0,
    });
    await first.write([put(1, 5, "b", "2")]);
    const second = await store.beginSnapshot({
      base: { epoch: 1, seq: 9 },
      epochs: [{ epoch: 1, firstSeq: 1 }],
      requestsAfter: 0,
    });
    await assert.rejects(first.write([put(1, 6, "c", "2")]), { code: "superseded" });
    await assert.rejects(first.finish(), { code: "superseded" });
    await second.abort();
    await second.abort();
    assert.equal(disk.contents(rbfile), undefined);
    assert.deepEqual(await contentsOf(store), new Map([["a", "1"]]));
    await store.append([put(1, 2, "c", "1")]);
    await store.close();
  });

  it("gives way also to those that come while it begins", async () => {
    const { store } = await logWith([put(1, 1, "a", "1"), put(1, 2, "b", "1")]);
    const copies = [1, 2, 3].map(() =>
      store.beginSnapshot({
        base: { epoch: 1, seq: 9 },
        epochs: [{ epoch: 1, firstSeq: 1 }],
        requestsAfter: 0,
      }),
    );
    await store.truncate(1);
    for (const copy of await Promise.all(copies)) {
      await assert.rejects(copy.write([put(1, 5, "c", "2")]), { code: "superseded" });
    }
    assert.equal(store.last.seq, 1);
    await store.close();
  });

  it("refuses records that do not rise, or lie beyond its base", async () => {
    const { store } = await logWith([]);
    for (const records of [[put(1, 5, "a", ""), put(1, 5, "b", "")], [put(1, 10, "a", "")]]) {
      const copy = await store.beginSnapshot({
        base: { epoch: 1, seq: 9 },
        epochs: [{ epoch: 1, firstSeq: 1 }],
        requestsAfter: 0,
      });
      await assert.rejects(copy.write(records), RangeError);
    }
    await store.close();
  });

  it("keeps what was promised, before and while it is written", async () => {
    const { disk, store } = await logWith([put(1, 1, "a", "1")]);
    await store.promise(5);
    const copy = await store.beginSnapshot({
      base: { epoch: 2, seq: 9 },
      epochs: [{ epoch: 2, firstSeq: 1 }],
      requestsAfter: 0,
    });
    await store.promise(6);
    await copy.finish();
    await store.close();
    const again = await openOn(disk);
    assert.equal(again.promisedEpoch, 6);
    assert.equal(again.last.epoch, 2);
    await again.close();
  });

  it("has of each record only the changes that may be live", async () => {
    const { store } = await logWith([
      { epoch: 1, seq: 1, changes: ["a", "b", "c", "d"].map((key) => putting(key, "1")) },
      { epoch: 1, seq: 2, changes: [putting("a", "2"), deleting("b")] },
      { epoch: 1, seq: 3, changes: [deleting("d", { kind: "expire", previous: 1 })] },
    ]);
    store.commit(3);
    const live = [
      { epoch: 1, seq: 1, changes: [putting("c", "1")] },
      { epoch: 1, seq: 2, changes: [putting("a", "2")] },
    ];
    assert.deepEqual(plain(await readAll(store)), plain(live));
    await store.compact();
    assert.deepEqual(plain(await readAll(store)), plain(live));
    assert.equal(store.garbageBytes, 0);
    await store.close();
  });
});
