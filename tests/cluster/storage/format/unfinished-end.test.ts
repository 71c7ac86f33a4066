import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isUnfinishedEnd } from "../../../../src/cluster/storage/format/unfinished-end.ts";
import { verifyLog } from "../../../../src/cluster/storage/tools/index.ts";
import { contentsOf, dbfile, epochRecord, openOn, put, putting } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

const sectorBytes = 512;

/** A log of some records, each synced before the next, and then a write of several at once; and where that begins. */
async function logWithGroup(count: number, valueBytes = 200) {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ group: "g", number: 1, cluster: "c" });
  for (let seq = 1; seq <= 5; seq++) await store.append([put(1, seq, `k${seq}`, "x".repeat(valueBytes))]);
  const from = store.fileBytes;
  const group = Array.from({ length: count }, (_, index) =>
    put(1, 6 + index, `k${index}`, "y".repeat(valueBytes)),
  );
  await store.append(group);
  await store.close();
  return { bytes: disk.contents(dbfile) ?? assert.fail(), from };
}

/** Never written: from `at`, or where its sector begins. */
function withoutSector(bytes: Buffer, at: number, from: number): Buffer {
  const changed = Buffer.from(bytes);
  const start = at - (at % sectorBytes);
  return changed.fill(0, Math.max(start, from), Math.min(start + sectorBytes, bytes.length));
}

async function opened(bytes: Buffer) {
  const disk = new SimulatedDisk();
  disk.place(dbfile, bytes);
  const report = await verifyLog(disk, dbfile);
  const store = await openOn(disk);
  const { condition, last } = store;
  const keys = (await contentsOf(store)).size;
  await store.close();
  assert.equal(report.condition.kind, condition.kind);
  assert.equal(report.last.seq >= last.seq, true);
  return { condition, seq: last.seq, keys, after: disk.contents(dbfile) ?? assert.fail(), disk };
}

describe("sectors that were never written", () => {
  it("are an unfinished end in the last write, whichever are missing and whatever stands behind them", async () => {
    const { bytes, from } = await logWithGroup(12);
    for (let at = from; at < bytes.length; at += sectorBytes) {
      for (const other of [at, Math.min(bytes.length - 1, at + 3 * sectorBytes)]) {
        const changed = withoutSector(withoutSector(bytes, at, from), other, from);
        const { condition, seq, after, disk } = await opened(changed);
        assert.equal(condition.kind, "torn", `without the sector of ${at}`);
        assert.ok(seq >= 5 && after.length >= from && after.length <= at, `without the sector of ${at}`);
        assert.deepEqual(after, bytes.subarray(0, after.length));
        assert.deepEqual(disk.contents(`${dbfile}.cut-1`)?.includes(changed.subarray(after.length)), true);
      }
    }
  });

  it("are damage in anything before the last write", async () => {
    const { bytes, from } = await logWithGroup(12);
    for (let at = 600; at < from - sectorBytes; at += sectorBytes) {
      const changed = withoutSector(bytes, at, 0);
      const { condition, after } = await opened(changed);
      assert.equal(condition.kind, "damaged", `without the sector of ${at}`);
      assert.deepEqual(after, changed);
    }
  });

  it("are damage when they reach from one write into the last one", async () => {
    const { bytes, from } = await logWithGroup(12);
    const changed = withoutSector(bytes, from, 0);
    assert.ok(from % sectorBytes > 0);
    assert.equal((await opened(changed)).condition.kind, "damaged");
  });

  it("are the rest of the file, from anywhere in the last write", async () => {
    const { bytes, from } = await logWithGroup(3);
    for (let at = from; at < bytes.length; at++) {
      const changed = Buffer.from(bytes).fill(0, at);
      const isPossible = at === from || at % sectorBytes === 0;
      const { condition, seq } = await opened(changed);
      // Where a record ends, one that was to follow may be missing.
      if (isPossible) assert.equal(condition.kind, "torn", `zeros from ${at}`);
      if (condition.kind === "damaged") assert.ok(!isPossible && seq >= 5);
    }
  });

  it("are no unfinished end once something has been written behind them", async () => {
    const { bytes, from } = await logWithGroup(1, 2000);
    const disk = new SimulatedDisk();
    disk.place(dbfile, bytes);
    const store = await openOn(disk);
    await store.promise(7);
    await store.close();
    const changed = withoutSector(disk.contents(dbfile) ?? assert.fail(), from, from);
    assert.equal((await opened(changed.subarray(0, bytes.length))).condition.kind, "torn");
    assert.equal((await opened(changed)).condition.kind, "damaged");
  });
});

describe("an end", () => {
  const entry = "YQ==\nMQ==\n# 1.1 83fb5609 text=1\n";
  const possible = [
    "Y", "YQ", "YQ=", "YQ==", "YWJj", "YQ==\n", "YQ==\nMQ", "YQ==\n-", "YQ==\n\n#", "YQ==\nMQ==\n# 1.1 83fb5609 text=",
    "YQ==\nMQ==\n# 1.17 83fb", "\n", "\n\n", "\n-\n+ 3", "!", "!promise", "!promise 7 0123",
  ]; // biome-ignore format: a list
  const impossible = [
    entry, "YQ=x", "Y!", "YQ==\n\r", "YQ==\nMQ==\n#1", "YQ==\nMQ==\n# 1.1 83fb5609 text=1x", "YQ==\nMQ==\n# 1.1 00000000\n",
    "YQ==\n--", "YQ==x", "\n\n\n", "!promise\n", "!Promise", "# Notes", "YQ==\nMQ==\n#\n", "é", "a b", "!promise 1 x\u0001",
  ]; // biome-ignore format: a list
  const judge = async (text: string, offset = 700) => {
    const bytes = Buffer.concat([Buffer.alloc(offset, 65), Buffer.from(text, "latin1")]);
    const file = { read: async (into: Uint8Array, at: number) => bytes.copy(into, 0, at) };
    return await isUnfinishedEnd(file, offset, bytes.length);
  };

  it("is unfinished if something can be added so that it is a record or a line", async () => {
    for (const text of possible) assert.equal(await judge(text), true, JSON.stringify(text));
    for (const text of impossible) assert.equal(await judge(text), false, JSON.stringify(text));
  });

  it("has zeros in whole sectors only", async () => {
    const zeros = (count: number) => "\0".repeat(count);
    assert.equal(await judge(zeros(5)), true);
    assert.equal(await judge(`YQ==${zeros(5)}`), false);
    assert.equal(await judge(`${zeros(1024 - 700)}anything${zeros(3)}`), false);
    assert.equal(await judge(`${zeros(1024 - 700)}any thing`), true);
    assert.equal(await judge(`${"Y".repeat(1024 - 700)}${zeros(600)}`), true);
    assert.equal(await judge(`${"Y".repeat(1024 - 700)}${zeros(100)}Y`), false);
    assert.equal(await judge(`${"!".repeat(1024 - 700)}${zeros(600)}`), false);
  });
});

it("records of one write say where it began, those of another do not go back behind that", async () => {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ group: "g", number: 1, cluster: "c" });
  const start = store.fileBytes;
  await store.promise(2);
  await Promise.all([
    store.append([epochRecord(2, 1)]),
    store.append([
      put(2, 2, "a", "1"),
      { epoch: 2, seq: 3, changes: [putting("b", "2"), putting("c", "3")] },
    ]),
  ]);
  await store.append([put(2, 4, "d", "4")]);
  await store.close();
  const text = disk.contents(dbfile)?.toString("latin1").slice(start) ?? "";
  const writes = new Map<number, number>();
  let offset = 0;
  for (const [record] of text.matchAll(
    /!promise[^\n]*\n|(?:[^\n]*\n[^\n]*\n\+[^\n]*\n)*[^\n]*\n[^\n]*\n#[^\n]*\n/g,
  )) {
    const back = Number(/ back=(\d+)/.exec(record)?.[1] ?? 0);
    writes.set(offset - back, (writes.get(offset - back) ?? 0) + 1);
    offset += record.length;
  }
  assert.equal(offset, text.length);
  // The promise, then what came while that was written, together; then the last one.
  assert.deepEqual([...writes.values()], [1, 3, 1]);
});
