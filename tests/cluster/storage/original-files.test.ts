import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { dumpLog, repairLog, verifyLog } from "../../../src/cluster/storage/tools/index.ts";
import { contentsOf, dbfile, openOn, put, text } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

interface Expected {
  readonly files: Record<string, { readonly original_recovers: Record<string, string> }>;
}

const folder = new URL("../../data/kvlab-db/", import.meta.url);
const expected: Expected = JSON.parse(readFileSync(new URL("expected.json", folder), "utf8"));

function diskWith(name: string) {
  const disk = new SimulatedDisk();
  disk.place(dbfile, readFileSync(new URL(name, folder)));
  return disk;
}

function recoveredBy(name: string): Map<string, string> {
  const recovered = expected.files[name]?.original_recovers ?? assert.fail(`${name} is not listed`);
  return new Map(Object.entries(recovered).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const intact = ["empty.db", "healthy.db", "healthy_overwrites.db", "healthy_after_delete.db"];
const torn = ["trunc_in_key.db", "trunc_before_commit.db"];

describe("files of the original program", () => {
  for (const name of intact) {
    it(`${name} opens as it is with all that the original recovers`, async () => {
      const store = await openOn(diskWith(name));
      assert.deepEqual(store.condition, { kind: "intact" });
      assert.deepEqual(await contentsOf(store), recoveredBy(name));
      assert.equal(store.identity, undefined);
      assert.equal(store.last.epoch, 0);
      await store.close();
    });
  }

  for (const name of torn) {
    it(`${name} opens without its unfinished end, which is reported`, async () => {
      const disk = diskWith(name);
      const store = await openOn(disk);
      assert.equal(store.condition.kind, "torn");
      assert.deepEqual(await contentsOf(store), recoveredBy(name));
      await store.close();
      const again = await openOn(disk);
      assert.deepEqual(again.condition, { kind: "intact" });
      await again.close();
    });
  }

  it("garbage_commit.db is damaged: what comes before is readable, nothing is dropped, nothing is taken", async () => {
    const disk = diskWith("garbage_commit.db");
    const before = disk.contents(dbfile);
    const store = await openOn(disk);
    assert.equal(store.condition.kind, "damaged");
    assert.equal(store.condition.kind === "damaged" && store.condition.line, 91);
    assert.deepEqual(await contentsOf(store), recoveredBy("garbage_commit.db"));
    await assert.rejects(store.append([put(1, store.last.seq + 1, "a", "b")]), /damaged at line 91/);
    await assert.rejects(store.adopt({ cluster: "c1", group: "g", number: 1 }), /damaged at line 91/);
    await store.close();
    assert.deepEqual(disk.contents(dbfile), before);
  });

  it("garbage_commit.db loses no good record by a repair, which keeps the bad bytes beside it", async () => {
    const disk = diskWith("garbage_commit.db");
    const healthy = recoveredBy("healthy.db");
    const damaged = [...(await dumped("healthy.db"))][30];
    assert.ok(damaged);
    const report = await repairLog(disk, dbfile);
    assert.equal(report.repaired, true);
    assert.equal(report.records, 49);
    assert.equal(report.keptIn, `${dbfile}.damaged-1`);
    assert.match(disk.contents(`${dbfile}.damaged-1`)?.toString() ?? "", /line=91/);
    assert.ok(disk.contents(`${dbfile}.damaged-1`)?.includes(Buffer.from(damaged.key).toString("base64")));
    const store = await openOn(disk);
    assert.deepEqual(store.condition, { kind: "intact" });
    healthy.delete(damaged.key);
    assert.deepEqual(await contentsOf(store), healthy);
    await store.close();
  });

  for (const name of [...intact, ...torn]) {
    it(`${name} keeps its contents when a node adopts it and writes to it`, async () => {
      const disk = diskWith(name);
      const store = await openOn(disk);
      const { last } = store;
      await store.adopt({ cluster: "c1", group: "zdata 1", number: 3 });
      assert.deepEqual(store.last, last);
      assert.deepEqual(store.base, last);
      assert.deepEqual(await contentsOf(store), recoveredBy(name));
      await store.append([put(1, last.seq + 1, "new", "value")]);
      await store.close();
      const again = await openOn(disk);
      assert.deepEqual(again.condition, { kind: "intact" });
      assert.equal(again.identity?.group, "zdata 1");
      assert.equal(again.identity?.number, 3);
      assert.equal(text((await again.get("new"))?.value), "value");
      assert.deepEqual(again.epochs, [{ epoch: 1, firstSeq: last.seq + 1 }]);
      const contents = await contentsOf(again);
      contents.delete("new");
      assert.deepEqual(contents, recoveredBy(name));
      await again.close();
    });
  }

  it("healthy.db takes records of ours behind those of the original also without a header", async () => {
    const disk = diskWith("healthy.db");
    const store = await openOn(disk);
    await store.append([put(1, 51, "plain", "newer"), put(1, 52, "new", "value")]);
    await store.close();
    const again = await openOn(disk);
    assert.deepEqual(again.last, { epoch: 1, seq: 52 });
    assert.equal(text((await again.get("plain"))?.value), "newer");
    const records = await again.read(49, 1);
    assert.deepEqual(
      records?.map(({ epoch, seq }) => ({ epoch, seq })),
      [{ epoch: 0, seq: 50 }],
    );
    await again.adopt({ cluster: "c1", group: "g", number: 1 });
    assert.deepEqual(again.base, { epoch: 0, seq: 50 });
    assert.equal((await contentsOf(again)).size, 51);
    await again.close();
    assert.equal((await verifyLog(disk, dbfile)).condition.kind, "intact");
  });

  it("a record without checksum behind one of ours is damage", async () => {
    const disk = diskWith("healthy.db");
    const store = await openOn(disk);
    await store.append([put(1, 51, "plain", "newer")]);
    await store.close();
    const legacy = "cGxhaW4=\ndmFsdWU=\n#\n";
    disk.place(dbfile, Buffer.concat([disk.contents(dbfile) ?? Buffer.alloc(0), Buffer.from(legacy)]));
    const again = await openOn(disk);
    assert.equal(again.condition.kind, "damaged");
    assert.equal(text((await again.get("plain"))?.value), "newer");
    await again.close();
  });
});

async function dumped(name: string) {
  const records = [];
  for await (const record of dumpLog(diskWith(name), dbfile)) records.push(record);
  return records;
}
