import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Disk } from "../../../src/cluster/log/disk.ts";
import { nodeDisk } from "../../../src/cluster/log/node-disk.ts";
import { createSimulatedDisk } from "../../support/simulated-disk.ts";

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
    const disk = createSimulatedDisk();
    await check(disk, "/data", (from, to) => disk.place(to, disk.contents(from) ?? Buffer.alloc(0)));
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
