import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { nodeFolders } from "../../src/server/dev-folders.ts";
import { ExitError } from "../../src/settings/run-main.ts";

async function foldersWith(existing: string[], dataport: number): Promise<string[]> {
  const datadir = await mkdtemp(join(tmpdir(), "kvlab-dev-"));
  try {
    await writeFile(join(datadir, "coordination.jsonl"), "");
    for (const name of existing) await mkdir(join(datadir, name));
    return await nodeFolders(datadir, dataport, 4);
  } finally {
    await rm(datadir, { recursive: true });
  }
}

describe("the folders of the nodes of one process", () => {
  const first = ["2000", "2001", "2002", "2003"];

  it("are named after the ports of the first start", async () => {
    assert.deepEqual(await foldersWith([], 2000), first);
    assert.deepEqual(await foldersWith(["notes", "0"], 2000), first);
    // A start that broke off.
    assert.deepEqual(await foldersWith(["2000"], 2000), first);
  });

  it("stay with their nodes when the ports change", async () => {
    for (const dataport of [2000, 3000, 2002, 1998, 9998, 10_000]) {
      assert.deepEqual(await foldersWith(first, dataport), first);
    }
    assert.deepEqual(await foldersWith(["9998", "9999", "10000", "10001"], 2000), [
      "9998",
      "9999",
      "10000",
      "10001",
    ]);
  });

  it("are those of the ports, also beside other folders", async () => {
    assert.deepEqual(await foldersWith([...first, "3000", "3001", "3002", "3003"], 2000), first);
  });

  it("are refused when it is unclear which node they belong to", async () => {
    for (const existing of [["2000"], [...first, "3000"], first.slice(1)]) {
      await assert.rejects(
        foldersWith(existing, 4000),
        (error) =>
          error instanceof ExitError &&
          error.exitCode === 2 &&
          error.message.startsWith("dataport 4000: datadir ") &&
          error.message.includes(
            `has the folders ${existing.join(", ")} of nodes at other ports; allowed is`,
          ),
      );
    }
  });
});
