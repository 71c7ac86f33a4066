import assert from "node:assert/strict";
import { chmod, copyFile, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import type { Disk } from "../../../../src/cluster/storage/disk/disk.ts";
import { nodeDisk } from "../../../../src/cluster/storage/disk/node-disk.ts";
import { openLog } from "../../../../src/cluster/storage/open.ts";
import { systemClock } from "../../../../src/common/clock.ts";
import { put } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

describe("a file's identity", () => {
  it("on the machine's disk: a rename keeps it, a copy has another", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kvlab-disk-"));
    try {
      await check(nodeDisk, folder, copyFile);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("on a simulated disk: the same", async () => {
    const disk = new SimulatedDisk();
    await check(disk, "/data", (from, to) => disk.place(to, disk.contents(from) ?? Buffer.alloc(0)));
  });

  it("on a simulated disk: what overwrites a file keeps it, and a file takes it along to another disk", async () => {
    const [disk, other] = [new SimulatedDisk(1), new SimulatedDisk(2)];
    for (const each of [disk, other]) each.place("db.txt", Buffer.from("old"));
    const idOn = async (each: Disk) => (await each.look("db.txt"))?.fileId;
    const [own, foreign] = [await idOn(disk), await idOn(other)];
    assert.notEqual(own, foreign);
    disk.overwrite("db.txt", Buffer.from("of another"));
    assert.equal(await idOn(disk), own);
    const files = [disk.take("db.txt"), other.take("db.txt")] as const;
    disk.give("db.txt", files[1]);
    other.give("db.txt", files[0]);
    assert.deepEqual([await idOn(disk), await idOn(other)], [foreign, own]);
    other.crash(() => 0);
    assert.equal(other.contents("db.txt")?.toString(), "of another");
  });
});

describe("who may read a log", { skip: process.platform === "win32" }, () => {
  it("is kept by adopt, compaction and cutting off, also for what is cut off", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kvlab-disk-"));
    try {
      const dbfile = join(folder, "db.txt");
      const rbfile = join(folder, "rollback.txt");
      const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
      const onFatal = (error: Error) => assert.fail(error);
      const disk = nodeDisk;
      const open = () => openLog({ disk, dbfile, rbfile, clock: systemClock, onFatal, log: () => {} });
      await (await open()).close();
      // Both less and more than a new file usually gets.
      for (const mode of [0o600, 0o666]) {
        await chmod(dbfile, mode);
        const store = await open();
        if (store.identity === undefined) await store.adopt({ cluster: "c1", group: "g", number: 1 });
        assert.equal(await modeOf(dbfile), mode);
        const { seq } = store.last;
        await store.append([put(1, seq + 1, "a", "1"), put(1, seq + 2, "a", "2"), put(1, seq + 3, "b", "3")]);
        store.commit(seq + 2);
        await store.compact();
        assert.equal(await modeOf(dbfile), mode);
        await store.truncate(seq + 2);
        assert.equal(await modeOf(dbfile), mode);
        assert.equal(await modeOf(`${dbfile}.cut-${mode === 0o600 ? 1 : 2}`), mode);
        await store.close();
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

async function check(disk: Disk, folder: string, copy: (from: string, to: string) => unknown) {
  const [own, moved, copied] = ["own.txt", "moved.txt", "copied.txt"].map((name) => join(folder, name));
  assert.ok(own !== undefined && moved !== undefined && copied !== undefined);
  const idOf = async (path: string) => (await disk.look(path))?.fileId;

  const file = await disk.open(own, "create");
  const id = await idOf(own);
  assert.ok(id !== undefined);
  await file.write(Buffer.from("longer than it was"), 0);
  await file.datasync();
  assert.equal(await idOf(own), id);
  await file.close();

  await copy(own, copied);
  assert.notEqual(await idOf(copied), id);
  await disk.rename(own, moved);
  assert.equal(await idOf(moved), id);
  assert.equal(await idOf(own), undefined);
}
