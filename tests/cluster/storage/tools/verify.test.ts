import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { verifyLog } from "../../../../src/cluster/storage/tools/index.ts";
import { contentsAfter, dbfile, openOn } from "../../../support/log-fixtures.ts";
import { SimulatedDisk, systemError } from "../../../support/simulated-disk.ts";
import { compactedLog, damage, dumped, records } from "./compacted-log.ts";

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
    const disk = new SimulatedDisk();
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
