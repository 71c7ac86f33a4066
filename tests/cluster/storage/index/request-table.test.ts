import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RequestTable } from "../../../../src/cluster/storage/index/request-table.ts";
import type { LogStore } from "../../../../src/cluster/storage/log-store.ts";
import type { LogRecord } from "../../../../src/cluster/storage/model.ts";
import { verifyLog } from "../../../../src/cluster/storage/tools/index.ts";
import { contentsOf, dbfile, deleting, openOn, put, putting } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

/** Answers request r<seq>, with the same few keys again and again. */
function answer(seq: number, epoch = 1): LogRecord {
  return { epoch, seq, requestId: `r${seq}`, changes: [putting(`key ${seq % 3}`, `${seq}`)] };
}

async function newLog(requestsMax = 100_000) {
  const disk = new SimulatedDisk();
  const store = await openOn(disk, { requestsMax });
  await store.adopt({ cluster: "c1", group: "g", number: 1 });
  return { disk, store };
}

async function appendTo(store: LogStore, seq: number) {
  while (store.last.seq < seq) await store.append([answer(store.last.seq + 1)]);
  store.commit(seq);
}

/** Seqs that are found by their request. */
function known(store: LogStore, upTo: number): number[] {
  const found: number[] = [];
  for (let seq = 1; seq <= upTo; seq++) if (store.requestOf(`r${seq}`)?.seq === seq) found.push(seq);
  return found;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

describe("the request of a record", () => {
  it("is known at once, and dropped with the record", async () => {
    const { store } = await newLog();
    const appended = store.append([answer(1), answer(2)]);
    assert.deepEqual(known(store, 3), [1, 2]);
    await appended;
    await store.truncate(1);
    assert.deepEqual(known(store, 3), [1]);
    await store.append([{ ...answer(2), requestId: "other" }]);
    assert.equal(store.requestOf("other")?.seq, 2);
    await store.close();
  });

  it("is dropped with the record also before that is on disk", async () => {
    const { disk, store } = await newLog();
    const held = Promise.withResolvers<void>();
    disk.intercept = ({ kind }) => (kind === "write" ? held.promise : undefined);
    const first = store.append([answer(1)]);
    // Let the first write begin, so that the next record has to wait for another one.
    await new Promise((resolve) => setImmediate(resolve));
    const dropped = assert.rejects(store.append([answer(2)]), { code: "dropped" });
    const truncated = store.truncate(1);
    held.resolve();
    await Promise.all([first, dropped, truncated]);
    assert.deepEqual(known(store, 3), [1]);
    await store.close();
  });

  it("is found again by the next process, and after a compaction that keeps nothing else of the record", async () => {
    const { disk, store } = await newLog();
    await store.append([
      {
        epoch: 1,
        seq: 1,
        requestId: "batch",
        changes: [putting("a", "1"), putting("b", "1"), deleting("c")],
      },
      put(1, 2, "a", "2"),
      { epoch: 1, seq: 3, requestId: "deletion", changes: [deleting("b")] },
      { epoch: 1, seq: 4, requestId: "nothing", changes: [] },
    ]);
    store.commit(4);
    for (let round = 0; round < 2; round++) {
      await store.compact();
      await store.append([put(1, 5 + round, "z", `${round}`)]);
      store.commit(5 + round);
    }
    assert.deepEqual(
      ["batch", "deletion", "nothing", "other"].map((id) => store.requestOf(id)?.seq),
      [1, 3, 4, undefined],
    );
    await store.close();
    const { condition, records } = await verifyLog(disk, dbfile);
    assert.deepEqual([condition.kind, records], ["intact", 6]);
    const again = await openOn(disk);
    assert.deepEqual(
      ["batch", "deletion", "nothing"].map((id) => again.requestOf(id)?.seq),
      [1, 3, 4],
    );
    assert.deepEqual(
      await contentsOf(again),
      new Map([
        ["a", "2"],
        ["z", "1"],
      ]),
    );
    await again.close();
  });

  it("is forgotten when there are too many after it, which requestsAfter tells over restarts and compactions", async () => {
    const { disk, store } = await newLog(10);
    await appendTo(store, 10);
    assert.equal(store.requestsAfter, 0);
    await appendTo(store, 25);
    assert.equal(store.requestsAfter, 15);
    assert.deepEqual(known(store, 25), range(16, 25));
    await store.compact();
    await store.close();
    const again = await openOn(disk, { requestsMax: 10 });
    assert.equal(again.requestsAfter, 15);
    assert.deepEqual(known(again, 25), range(16, 25));
    again.commit(25);
    await appendTo(again, 27);
    await again.compact();
    await again.close();
    // With room for more, nothing is known that may be incomplete.
    const last = await openOn(disk);
    assert.equal(last.requestsAfter, 17);
    assert.deepEqual(known(last, 27), range(18, 27));
    await last.close();
  });

  it("goes along in a copy, with what has been forgotten before", async () => {
    const { store: source } = await newLog(10);
    await appendTo(source, 20);
    await source.append([answer(21), answer(22)]);
    const { disk, store: target } = await newLog(100);
    const reader = await source.openSnapshot();
    assert.equal(reader.requestsAfter, 12);
    const copy = await target.beginSnapshot(reader);
    for (let part = await reader.next(50); part.length > 0; part = await reader.next(50))
      await copy.write(part);
    await copy.finish();
    await reader.close();
    const check = (store: LogStore) => {
      assert.equal(store.requestsAfter, 12);
      assert.deepEqual(known(store, 22), range(13, 22));
    };
    check(target);
    await target.close();
    const again = await openOn(disk);
    check(again);
    await again.close();
    await source.close();
  });

  it("is remembered for the last of many thousands", { timeout: 60_000 }, async () => {
    const { store } = await newLog(5000);
    for (let seq = 1; seq <= 40_000; seq += 1000) {
      await store.append(range(seq, seq + 999).map((each) => answer(each)));
    }
    assert.equal(store.requestsAfter, 35_000);
    assert.deepEqual(known(store, 40_000), range(35_001, 40_000));
    await store.close();
  });
});

describe("a request table", () => {
  const answered = (id: string, seq: number) => ({ id, seq, copiedRevision: 0 });

  it("has for an id that has come twice the later record, and the earlier one when that is dropped", () => {
    const table = new RequestTable(10);
    for (const [index, id] of ["a", "b", "a", "c"].entries()) table.add(answered(id, index + 1));
    assert.equal(table.find("a")?.seq, 3);
    table.truncate(2, 2);
    assert.deepEqual([table.find("a")?.seq, table.find("c")], [1, undefined]);
    table.truncate(0, 0);
    assert.deepEqual([table.find("a"), table.upTo(9).length], [undefined, 0]);
  });

  it("does not forget the later record of an id with the earlier one, and forgets it with its own", () => {
    const table = new RequestTable(2);
    for (const [index, id] of ["a", "a", "b"].entries()) table.add(answered(id, index + 1));
    assert.deepEqual([table.find("a")?.seq, table.find("b")?.seq], [2, 3]);
    table.truncate(1, 1);
    assert.equal(table.find("a"), undefined);
    for (const [index, id] of ["a", "b", "c"].entries()) table.add(answered(id, index + 2));
    assert.deepEqual([table.find("a"), table.find("b")?.seq, table.find("c")?.seq], [undefined, 3, 4]);
  });

  it("lists those that are known, whatever becomes of them later", () => {
    const table = new RequestTable(3);
    for (let seq = 1; seq <= 5; seq++) table.add({ id: `r${seq}`, seq, copiedRevision: seq * 10 });
    const list = table.upTo(4);
    table.truncate(3, 3);
    for (let seq = 4; seq <= 8; seq++) table.add(answered(`other ${seq}`, seq));
    assert.equal(list.length, 2);
    assert.deepEqual(list.slice(0, 1), [{ id: "r3", seq: 3, copiedRevision: 30 }]);
    assert.deepEqual(list.slice(1, 5), [{ id: "r4", seq: 4, copiedRevision: 40 }]);
  });
});
