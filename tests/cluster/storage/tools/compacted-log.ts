import assert from "node:assert/strict";
import { dumpLog } from "../../../../src/cluster/storage/tools/index.ts";
import { dbfile, openOn, someRecords } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

export const records = someRecords(100);

/** A closed log of 100 records, 60 of them in its snapshot part. */
export async function compactedLog() {
  const disk = new SimulatedDisk();
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
export function damage(disk: SimulatedDisk, text: string): void {
  const offset = disk.contents(dbfile)?.indexOf(text) ?? -1;
  assert.ok(offset >= 0);
  disk.flip(dbfile, offset, 0x80);
}

/** All that `dumpLog` gives. */
export async function dumped(disk: SimulatedDisk) {
  const all = [];
  for await (const record of dumpLog(disk, dbfile)) all.push(record);
  return all;
}
