import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { DiskFile } from "../../../../src/cluster/storage/disk/disk.ts";
import { nodeDisk } from "../../../../src/cluster/storage/disk/node-disk.ts";

test("a file is read at once only where it was read or written before, and while nothing changes it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-file-"));
  const path = join(folder, "file");
  await writeFile(path, "first".padEnd(100_000));
  const file = await nodeDisk.open(path, "write");
  try {
    assert.equal(now(file, 0, 5), undefined);
    await file.read(Buffer.alloc(5), 0);
    assert.equal(now(file, 0, 5), "first");
    assert.equal(now(file, 50_000, 5), undefined);
    await file.write(Buffer.from("second"), 50_000);
    assert.equal(now(file, 50_000, 6), "second");
    const write = file.write(Buffer.alloc(70_000), 100_000);
    assert.equal(now(file, 0, 5), undefined);
    await write;
    await file.write(Buffer.from("second"), 50_000);
    const cut = file.truncate(50_003);
    assert.equal(now(file, 0, 5), undefined);
    await cut;
    assert.equal(now(file, 50_000, 3), "sec");
    assert.equal(now(file, 50_000, 6), undefined, "not all of it is there");
    await file.read(Buffer.alloc(50_000), 0);
    assert.equal(now(file, 0, 50_000)?.trim(), "first");
    await file.write(Buffer.alloc(70_000), 0);
    assert.equal(now(file, 0, 70_000), undefined, "it is long");
  } finally {
    await file.close();
    await rm(folder, { recursive: true, force: true });
  }
});

function now(file: DiskFile, position: number, bytes: number): string | undefined {
  const into = Buffer.alloc(bytes);
  return file.readNow?.(into, position) ? into.toString() : undefined;
}
