import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { repairLog, verifyLog } from "../../../src/cluster/storage/tools/index.ts";
import { contentsOf, dbfile, openOn, someRecords } from "../../support/log-fixtures.ts";
import { runProgram } from "../../support/run-program.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

async function sampleLog(): Promise<Buffer> {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ cluster: "c", group: "g", number: 1 });
  await store.append(someRecords(30));
  await store.close();
  return disk.contents(dbfile) ?? assert.fail();
}

const readme = new URL("../../../README.md", import.meta.url);
const markOf = (bytes: Buffer, ...mark: number[]) => Buffer.concat([Buffer.from(mark), bytes]);
const noLogs: Record<string, (log: Buffer) => Promise<Buffer> | Buffer> = {
  "a text": () => readFile(readme),
  "one word": () => Buffer.from("hello"),
  "an empty line": () => Buffer.from("\n"),
  "a compressed log": (log) => gzipSync(log),
  "zeros": () => Buffer.alloc(5000),
  "a log whose lines end in CR LF": (log) => Buffer.from(log.toString("latin1").replaceAll("\n", "\r\n"), "latin1"),
  "a log that begins with a byte-order mark": (log) => markOf(log, 0xef, 0xbb, 0xbf),
  "a log in UTF-16": (log) => markOf(Buffer.from(log.toString("latin1"), "utf16le"), 0xff, 0xfe),
  "the beginning of a header": (log) => log.subarray(0, 20),
  "JSON": () => Buffer.from('{"key":"a","value":"b"}\n'),
}; // biome-ignore format: a list

describe("a file that is no log is refused and left as it is:", () => {
  for (const [name, make] of Object.entries(noLogs)) {
    it(name, async () => {
      const bytes = await make(await sampleLog());
      const disk = new SimulatedDisk();
      disk.place(dbfile, bytes);
      await assert.rejects(openOn(disk), /db\.txt: is no log: it does not begin as one/);
      await assert.rejects(verifyLog(disk, dbfile), /is no log/);
      await assert.rejects(repairLog(disk, dbfile), /is no log/);
      assert.deepEqual(disk.contents(dbfile), bytes);
      assert.deepEqual(disk.paths(), [dbfile]);
    });
  }

  it("a data node ends with exit code 2", { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "kvlab-no-log-"));
    try {
      const path = join(folder, "db.txt");
      await writeFile(path, await readFile(readme));
      const program = new URL("../../../src/data.ts", import.meta.url);
      const { exitCode, stderr } = await runProgram(program, ["--name", "g", "--dbfile", path]);
      assert.equal(exitCode, 2);
      assert.match(stderr, /^data: .*db\.txt: is no log: .*left as it is\n$/);
      assert.deepEqual(await readFile(path), await readFile(readme));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("a log that an editor has saved", () => {
  it("with one more line end loses that, which is kept beside", async () => {
    const log = await sampleLog();
    const disk = new SimulatedDisk();
    disk.place(dbfile, Buffer.concat([log, Buffer.from("\n")]));
    const store = await openOn(disk);
    assert.deepEqual([store.condition.kind, store.last.seq], ["torn", 30]);
    await store.close();
    assert.deepEqual(disk.contents(dbfile), log);
    assert.ok(disk.contents(`${dbfile}.cut-1`)?.toString().endsWith("\n\n"));
  });

  it("without its last line end loses the record that this ends, which is kept beside", async () => {
    const log = await sampleLog();
    const disk = new SimulatedDisk();
    disk.place(dbfile, log.subarray(0, -1));
    const store = await openOn(disk);
    assert.deepEqual([store.condition.kind, store.last.seq], ["torn", 29]);
    await store.close();
    assert.ok(disk.contents(`${dbfile}.cut-1`)?.includes(log.subarray(log.lastIndexOf("# 3.30"), -1)));
  });

  it("with spaces, tabs or more empty lines at its end is damaged", async () => {
    const log = await sampleLog();
    for (const more of [" ", "\t\n", "\n\n\n", "\r\n"]) {
      const disk = new SimulatedDisk();
      disk.place(dbfile, Buffer.concat([log, Buffer.from(more)]));
      const store = await openOn(disk);
      assert.equal(store.condition.kind, "damaged", JSON.stringify(more));
      await store.close();
    }
  });
});

it("an empty file is a new log", async () => {
  const disk = new SimulatedDisk();
  disk.place(dbfile, Buffer.alloc(0));
  const store = await openOn(disk);
  assert.deepEqual(store.condition, { kind: "intact" });
  assert.equal(store.identity, undefined);
  assert.equal((await contentsOf(store)).size, 0);
  await store.close();
});
