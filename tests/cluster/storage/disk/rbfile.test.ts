import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openLog } from "../../../../src/cluster/storage/open.ts";
import { systemClock } from "../../../../src/common/clock.ts";
import { contentsOf, dbfile, openOn, put, rbfile } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

/** A disk with the log of a node. */
async function diskOf(number: number, group = "g"): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ cluster: "c1", group, number });
  await store.append([put(1, 1, "a", `of ${number}`)]);
  await store.close();
  return disk;
}

async function logOf(number: number, group = "g"): Promise<Buffer> {
  return (await diskOf(number, group)).contents(dbfile) ?? assert.fail();
}

const original = Buffer.from("YQ==\nMQ==\n#\n");

describe("what stands at rbfile when a log is opened", () => {
  const foreign: [string, () => Promise<Buffer>, RegExp][] = [
    [
      "another node's log",
      () => logOf(2),
      /is a log of node 2 of group "g" .* one of node 1 .* nothing else/,
    ],
    ["another log of the same node", () => logOf(1), /is a log of node 1 of group "g" .* one of node 1 /],
    ["a text", async () => Buffer.from("# Notes\n\nto be kept\n"), /is no log; rbfile must name a file that/],
    ["a compressed file", async () => Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), /is no log; rbfile must/],
  ];
  for (const [name, make, message] of foreign) {
    it(`is refused and left as it is when it is ${name}`, async () => {
      const disk = await diskOf(1);
      const [own, other] = [disk.contents(dbfile), await make()];
      disk.place(rbfile, other);
      await assert.rejects(openOn(disk), message);
      assert.deepEqual(disk.contents(rbfile), other);
      assert.deepEqual(disk.contents(dbfile), own);
    });
  }

  it("is removed when a rewriting of this log has left it, as far as it got", async () => {
    const parts = [
      (own: Buffer) => own,
      (own: Buffer) => own.subarray(0, 3),
      (own: Buffer) => own.subarray(0, 60),
      () => Buffer.alloc(2000),
      () => Buffer.alloc(0),
    ];
    for (const part of parts) {
      const disk = await diskOf(1);
      disk.place(rbfile, part(disk.contents(dbfile) ?? assert.fail()));
      const store = await openOn(disk);
      assert.deepEqual([...(await contentsOf(store))], [["a", "of 1"]]);
      assert.deepEqual(disk.paths(), [dbfile]);
      await store.close();
    }
  });

  it("is kept beside when nobody can say whose it is", async () => {
    for (const [db, rb] of [
      [Buffer.alloc(0), await logOf(2)],
      [original, await logOf(2)],
      [await logOf(1), original],
    ] as const) {
      const said: string[] = [];
      const disk = new SimulatedDisk();
      disk.place(dbfile, db);
      disk.place(rbfile, rb);
      await (await openOn(disk, { log: (message) => said.push(message) })).close();
      assert.deepEqual(disk.contents(`${dbfile}.cut-1`), rb);
      assert.match(said.join("\n"), /rollback\.txt was there .* it is kept as \/data\/db\.txt\.cut-1/);
      assert.equal(disk.contents(rbfile), undefined);
    }
  });

  it("is kept beside when the log is a copy, which may have been getting an owner of its own", async () => {
    const disk = new SimulatedDisk(2);
    const begun = await logOf(2);
    disk.place(dbfile, await logOf(1));
    disk.place(rbfile, begun);
    const store = await openOn(disk);
    assert.equal(store.isCopy, true);
    assert.deepEqual(disk.contents(`${dbfile}.cut-1`), begun);
    await store.close();
  });

  it("is not taken for the log of a node of another group when there is no dbfile", async () => {
    const disk = new SimulatedDisk();
    const other = await logOf(2, "other");
    disk.place(rbfile, other);
    const options = { disk, dbfile, rbfile, clock: systemClock, onFatal: assert.fail, log: () => {} };
    await assert.rejects(openLog({ ...options, group: "g" }), /is a log of group "other".*allowed is one of/);
    assert.deepEqual(disk.contents(rbfile), other);
    assert.deepEqual(disk.paths(), [rbfile]);
    await (await openLog({ ...options, group: "other" })).close();
    assert.deepEqual(disk.contents(dbfile), other);
  });
});
