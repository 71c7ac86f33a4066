import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dumpLog } from "../../../../src/cluster/storage/tools/index.ts";
import { dbfile, deleting, openOn, putting } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";
import { compactedLog, damage, dumped, records } from "./compacted-log.ts";

describe("dump", () => {
  it("gives every record in order", async () => {
    const disk = new SimulatedDisk();
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
    const disk = new SimulatedDisk();
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
