import assert from "node:assert/strict";
import { link, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { nodeDisk } from "../../../../src/cluster/storage/disk/node-disk.ts";
import { repairLog, verifyLog } from "../../../../src/cluster/storage/tools/index.ts";
import {
  contentsAfter,
  contentsOf,
  dbfile,
  openOn,
  put,
  putting,
  rbfile,
} from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";
import { compactedLog, damage, records } from "./compacted-log.ts";

describe("repair", () => {
  it("keeps what is live of batches, and says that lost requests are not known", async () => {
    const disk = new SimulatedDisk();
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
    assert.equal(again.requestOf("r2")?.seq, undefined);
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

  it("refuses a link to a log, of which it would take the place", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kvlab-repair-"));
    try {
      const [log, symbolic, hard] = ["db.txt", "symbolic.txt", "hard.txt"].map((name) => join(folder, name));
      assert.ok(log !== undefined && symbolic !== undefined && hard !== undefined);
      const { disk } = await compactedLog();
      await writeFile(log, `${disk.contents(dbfile)?.toString("latin1")}damage`, "latin1");
      await symlink(log, symbolic);
      await assert.rejects(repairLog(nodeDisk, symbolic), /symbolic\.txt: is no regular file/);
      await link(log, hard);
      await assert.rejects(repairLog(nodeDisk, hard), /hard\.txt: is one file with 2 names/);
      assert.deepEqual((await readdir(folder)).sort(), ["db.txt", "hard.txt", "symbolic.txt"]);
    } finally {
      await rm(folder, { recursive: true });
    }
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
