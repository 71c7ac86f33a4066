import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dumpLog, repairLog, verifyLog } from "../../../../src/cluster/storage/tools/index.ts";
import {
  contentsAfter,
  contentsOf,
  dbfile,
  deleting,
  openOn,
  put,
  putting,
  rbfile,
  someRecords,
} from "../../../support/log-fixtures.ts";
import { createSimulatedDisk, type SimulatedDisk, systemError } from "../../../support/simulated-disk.ts";

const records = someRecords(100);

/** A closed log of 100 records, 60 of them in its snapshot part. */
async function compactedLog() {
  const disk = createSimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ cluster: "c1", group: "zdata1", number: 4 });
  await store.append(records.slice(0, 60));
  store.commit(60);
  await store.compact();
  await store.append(records.slice(60));
  await store.promise(9);
  await store.close();
  return { disk, store };
}

/** Makes the line that begins with `text` unreadable. */
function damage(disk: SimulatedDisk, text: string): void {
  const offset = disk.contents(dbfile)?.indexOf(text) ?? -1;
  assert.ok(offset >= 0);
  disk.flip(dbfile, offset, 0x80);
}

async function dumped(disk: SimulatedDisk) {
  const all = [];
  for await (const record of dumpLog(disk, dbfile)) all.push(record);
  return all;
}

describe("verify", () => {
  it("tells what is in a log", async () => {
    const { disk, store } = await compactedLog();
    const report = await verifyLog(disk, dbfile);
    assert.deepEqual(report.condition, { kind: "intact" });
    assert.deepEqual(report.identity, store.identity);
    assert.equal(report.fileBytes, store.fileBytes);
    assert.equal(report.liveKeys, contentsAfter(records).size);
    assert.equal(report.records, contentsAfter(records.slice(0, 60)).size + 40);
    assert.equal(report.legacyRecords, 0);
    assert.ok(report.garbageBytes > 0 && report.garbageBytes < report.fileBytes);
    assert.deepEqual(report.base, { epoch: 3, seq: 60 });
    assert.deepEqual(report.last, { epoch: 3, seq: 100 });
    assert.deepEqual(report.epochs, store.epochs);
    assert.equal(report.promisedEpoch, 9);
    assert.deepEqual(report.damages, []);
  });

  it("names every damage by line and byte range, and changes nothing", async () => {
    const { disk } = await compactedLog();
    damage(disk, "# 3.70 ");
    damage(disk, "# 3.80 ");
    const bytes = disk.contents(dbfile) ?? assert.fail();
    const report = await verifyLog(disk, dbfile);
    assert.equal(report.condition.kind, "damaged");
    assert.equal(report.damageCount, 2);
    assert.equal(report.records, contentsAfter(records.slice(0, 60)).size + 38);
    for (const [index, seq] of [70, 80].entries()) {
      const { line, offset, bytes: length, reason } = report.damages[index] ?? assert.fail();
      const lines = bytes.toString("latin1").slice(0, offset).split("\n");
      assert.equal(line, lines.length);
      assert.ok(bytes.subarray(offset, offset + length).includes(`3.${seq} `));
      assert.equal(reason, "its third line is no commit line");
    }
    assert.deepEqual(disk.contents(dbfile), bytes);
    assert.deepEqual(disk.paths(), [dbfile]);
  });

  it("can be done while the log is in use", async () => {
    const { disk } = await compactedLog();
    const store = await openOn(disk);
    assert.equal((await verifyLog(disk, dbfile)).condition.kind, "intact");
    await store.close();
  });

  it("of no file, a directory or an unreadable file is one clear line", async () => {
    const disk = createSimulatedDisk();
    await assert.rejects(verifyLog(disk, dbfile), /^LogFileError: \/data\/db\.txt: cannot read it: ENOENT/);
    await assert.rejects(verifyLog(disk, "/data"), /^LogFileError: \/data: is a directory/);
    disk.place(dbfile, Buffer.from("\n"));
    disk.intercept = ({ kind, path }) => {
      if (kind === "read") throw systemError("EIO", path);
    };
    await assert.rejects(verifyLog(disk, dbfile), /^LogFileError: \/data\/db\.txt: cannot read it: EIO/);
    await assert.rejects(dumped(disk), /^LogFileError: \/data\/db\.txt: cannot read it: EIO/);
  });
});

describe("dump", () => {
  it("gives every record in order", async () => {
    const disk = createSimulatedDisk();
    const store = await openOn(disk);
    await store.append(records);
    await store.close();
    assert.deepEqual(
      await dumped(disk),
      records.map(({ changes: [change], epoch, seq }) => ({
        kind: change?.kind ?? "epoch",
        key: change?.key ?? "",
        value: change?.kind === "put" ? Buffer.from(change.value).toString("base64") : null,
        text: change?.text ?? false,
        epoch,
        seq,
      })),
    );
  });

  it("tells batches, requests, expiries and what a change replaces", async () => {
    const disk = createSimulatedDisk();
    const store = await openOn(disk);
    await store.append([
      {
        epoch: 1,
        seq: 1,
        requestId: "r1",
        changes: [putting("a", "1", { expiresMs: 5 }), deleting("b", { previous: 7 })],
      },
      { epoch: 1, seq: 2, changes: [deleting("a", { kind: "expire", previous: 1 })] },
      { epoch: 1, seq: 3, requestId: "r3", changes: [] },
    ]);
    await store.close();
    const common = { value: null, text: false, epoch: 1 };
    const batch = (change: number) => ({ batch: { change, of: 2 } });
    assert.deepEqual(await dumped(disk), [
      {
        ...common,
        kind: "put",
        key: "a",
        value: "MQ==",
        text: true,
        seq: 1,
        expiresMs: 5,
        requestId: "r1",
        ...batch(1),
      },
      { ...common, kind: "delete", key: "b", seq: 1, previous: 7, requestId: "r1", ...batch(2) },
      { ...common, kind: "expire", key: "a", seq: 2, previous: 1 },
      { ...common, kind: "done", key: "", seq: 3, requestId: "r3" },
    ]);
  });

  it("gives what stands before damage, and then names that", async () => {
    const { disk } = await compactedLog();
    damage(disk, "# 3.70 ");
    const seqs: number[] = [];
    await assert.rejects(async () => {
      for await (const { seq } of dumpLog(disk, dbfile)) seqs.push(seq);
    }, /is damaged at line \d+: its third line is no commit line/);
    assert.equal(seqs.at(-1), 69);
  });
});

describe("repair", () => {
  it("keeps what is live of batches, and says that lost requests are not known", async () => {
    const disk = createSimulatedDisk();
    const store = await openOn(disk);
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    const batch = (seq: number, ...keys: string[]) => {
      return { epoch: 1, seq, requestId: `r${seq}`, changes: keys.map((key) => putting(key, `${seq}`)) };
    };
    await store.append([batch(1, "a", "b", "c"), batch(2, "b", "d"), batch(3, "c", "e"), batch(4, "f")]);
    await store.close();
    damage(disk, "# 1.2 ");
    const report = await repairLog(disk, dbfile);
    assert.equal(report.records, 3);
    assert.equal(report.damageCount, 1);
    const again = await openOn(disk);
    assert.deepEqual(again.condition, { kind: "intact" });
    const expected = [batch(1, "a", "b"), batch(3, "c", "e"), batch(4, "f")];
    assert.deepEqual(await contentsOf(again), contentsAfter(expected));
    assert.equal(again.requestsAfter, 4);
    assert.equal(again.seqOfRequest("r2"), undefined);
    await again.close();
  });

  it("changes nothing in an intact log", async () => {
    const { disk } = await compactedLog();
    const bytes = disk.contents(dbfile);
    const report = await repairLog(disk, dbfile);
    assert.equal(report.repaired, false);
    assert.deepEqual(disk.contents(dbfile), bytes);
    assert.deepEqual(disk.paths(), [dbfile]);
  });

  it("keeps every good record, the identity, the promise and the end of the log", async () => {
    const { disk, store: before } = await compactedLog();
    damage(disk, "# 3.70 ");
    damage(disk, "# 3.80 ");
    const report = await repairLog(disk, dbfile);
    assert.equal(report.repaired, true);
    assert.equal(report.damageCount, 2);
    assert.equal(report.lostIdentity, false);
    const store = await openOn(disk);
    assert.deepEqual(store.condition, { kind: "intact" });
    const good = records.filter(({ seq }) => seq !== 70 && seq !== 80);
    assert.deepEqual(await contentsOf(store), contentsAfter(good));
    assert.equal(store.keyCount, report.liveKeys);
    assert.deepEqual(store.identity, { ...before.identity, repaired: true });
    assert.deepEqual(store.last, { epoch: 3, seq: 100 });
    assert.equal(store.promisedEpoch, 9);
    await store.append([put(9, 101, "a", "b")]);
    await store.close();
  });

  it("keeps the bad bytes of each repair in a file of its own", async () => {
    const { disk } = await compactedLog();
    for (const number of [1, 2]) {
      damage(disk, number === 1 ? "# 3.70 " : "# 3.99 ");
      const bytes = disk.contents(dbfile) ?? assert.fail();
      const { damages } = await verifyLog(disk, dbfile);
      const { offset, bytes: length } = damages[0] ?? assert.fail();
      const report = await repairLog(disk, dbfile);
      assert.equal(report.keptIn, `${dbfile}.damaged-${number}`);
      assert.equal(report.removedBytes, length);
      assert.ok(disk.contents(report.keptIn)?.includes(bytes.subarray(offset, offset + length)));
    }
  });

  it("mends a log whose header or snapshot part is bad", async () => {
    for (const [line, lostIdentity] of [
      ["!kvlab", true],
      ["!base", false],
    ] as const) {
      const { disk } = await compactedLog();
      damage(disk, line);
      const report = await repairLog(disk, dbfile);
      assert.equal(report.lostIdentity, lostIdentity);
      const store = await openOn(disk);
      assert.deepEqual(store.condition, { kind: "intact" });
      assert.deepEqual(await contentsOf(store), contentsAfter(records));
      assert.equal(store.last.seq, 100);
      await store.close();
    }
  });

  it("mends a log in which records are missing, of which nothing is left to keep", async () => {
    const { disk } = await compactedLog();
    const text = disk.contents(dbfile)?.toString("latin1") ?? assert.fail();
    const lines = text.split("\n");
    const commit = lines.findIndex((line) => line.startsWith("# 3.70 "));
    disk.place(dbfile, Buffer.from(lines.toSpliced(commit - 2, 3).join("\n"), "latin1"));
    const report = await repairLog(disk, dbfile);
    assert.equal(report.repaired, true);
    assert.equal(report.keptIn, undefined);
    const store = await openOn(disk);
    assert.deepEqual(await contentsOf(store), contentsAfter(records.filter(({ seq }) => seq !== 70)));
    await store.close();
  });

  it("refuses a log whose records are out of order, and one that is in use", async () => {
    const { disk } = await compactedLog();
    const bytes = disk.contents(dbfile) ?? assert.fail();
    const store = await openOn(disk);
    await assert.rejects(repairLog(disk, dbfile), /is in use by process/);
    await store.close();
    const twice = Buffer.concat([bytes, bytes]);
    disk.place(dbfile, twice);
    await assert.rejects(
      repairLog(disk, dbfile),
      /record 1\.\d+ stands after record 3\.100; .*cannot be repaired/,
    );
    assert.deepEqual(disk.contents(dbfile), twice);
  });

  it("loses nothing when it crashes at any change of the disk", async () => {
    const good = contentsAfter(records.filter(({ seq }) => seq !== 70));
    for (let limit = 0, crashed = true; crashed; limit++) {
      for (const share of [0, 0.5, 1]) {
        const { disk } = await compactedLog();
        damage(disk, "# 3.70 ");
        let count = 0;
        crashed = false;
        disk.intercept = ({ kind }) => {
          if (crashed || ["open", "read"].includes(kind) || count++ < limit) return;
          crashed = true;
          disk.crash(() => share);
        };
        await repairLog(disk, dbfile).catch((error: unknown) => assert.ok(crashed, String(error)));
        disk.intercept = undefined;
        assert.equal(disk.contents(rbfile), undefined);
        await repairLog(disk, dbfile);
        disk.crash(() => 0);
        const store = await openOn(disk);
        assert.deepEqual(store.condition, { kind: "intact" });
        assert.deepEqual(await contentsOf(store), good);
        await store.close();
      }
    }
  });
});
