import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { lockFile } from "../../src/cluster/storage/disk/lock-file.ts";
import { nodeDisk } from "../../src/cluster/storage/disk/node-disk.ts";
import { runProgram } from "../support/run-program.ts";

const cli = new URL("../../src/cli.ts", import.meta.url);
const timeout = 60_000;

/** Logs in the format of the original program: two writes of a, one of b. */
const healthy = "YQ==\nMQ==\n#\nYg==\nMg==\n#\nYQ==\nMw==\n#\n";
const damaged = healthy.replace("Yg==\nMg==\n#", "Yg==\nMg==\n?");
const torn = `${healthy}Yw==\nNA`;

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvlab-log-"));
  file = join(folder, "db.txt");
});

afterEach(() => rm(folder, { recursive: true }));

async function log(action: string, content: string, ...flags: string[]) {
  await writeFile(file, content);
  return runProgram(cli, ["log", action, file, ...flags]);
}

describe("kvlab log verify", () => {
  it("says what an intact log contains, and ends with 0", { timeout }, async () => {
    const { exitCode, stdout, stderr } = await log("verify", healthy);
    assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: "" });
    assert.ok(stdout.startsWith(`${file}: intact\n`), stdout);
    assert.match(stdout, /records +3, 3 of them in the original format\n/);
    assert.match(stdout, /keys +2\n/);
  });

  it("does not count an unfinished end as damage", { timeout }, async () => {
    const { exitCode, stdout } = await log("verify", torn);
    assert.equal(exitCode, 0);
    assert.match(stdout, /intact but for an unfinished end of 7 bytes at line 10/);
  });

  it("names damaged lines and ends with 1", { timeout }, async () => {
    const { exitCode, stdout } = await log("verify", damaged);
    assert.equal(exitCode, 1);
    assert.match(stdout, /: damaged at line 4: /);
    assert.equal(await readFile(file, "utf8"), damaged);
  });

  it("prints JSON with --json", { timeout }, async () => {
    const { exitCode, stdout } = await log("verify", damaged, "--json");
    const { condition, records, damages } = JSON.parse(stdout);
    assert.equal(exitCode, 1);
    assert.deepEqual([condition.kind, condition.line, records, damages.length], ["damaged", 4, 2, 1]);
  });

  it("ends with 2 in one line when there is no such file, or it is a folder", { timeout }, async () => {
    const { exitCode, stdout, stderr } = await runProgram(cli, ["log", "verify", join(folder, "none")]);
    assert.deepEqual({ exitCode, stdout }, { exitCode: 2, stdout: "" });
    assert.match(stderr, /^kvlab: [^\n]*none: there is no such file or folder\n$/);
    for (const action of ["verify", "dump", "repair"]) {
      const refused = await runProgram(cli, ["log", action, folder]);
      assert.equal(refused.exitCode, 2);
      assert.match(refused.stderr, /^kvlab: [^\n]* is a folder; allowed: a file\n$/);
    }
  });
});

describe("kvlab log dump", () => {
  it("prints each record as a line of JSON", { timeout }, async () => {
    const { exitCode, stdout } = await log("dump", healthy);
    assert.equal(exitCode, 0);
    const records = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      records.map(({ key, value, epoch, seq }) => [key, value, epoch, seq]),
      [
        ["a", "MQ==", 0, 1],
        ["b", "Mg==", 0, 2],
        ["a", "Mw==", 0, 3],
      ],
    );
  });

  it("prints what comes before damage, and ends with 1", { timeout }, async () => {
    const { exitCode, stdout, stderr } = await log("dump", damaged, "--json");
    assert.equal(exitCode, 1);
    assert.equal(stdout.trimEnd().split("\n").length, 1);
    assert.match(stderr, /^kvlab: [^\n]* is damaged at line 4: [^\n]*\n$/);
  });
});

describe("kvlab log repair", () => {
  it("keeps every good record, and puts the bad bytes into a file beside the log", { timeout }, async () => {
    const { exitCode, stdout } = await log("repair", damaged);
    assert.equal(exitCode, 0);
    assert.match(stdout, /: repaired; records kept: 2, keys: 1\n {2}12 bad bytes are now in .*damaged-1\n/);
    assert.deepEqual((await readdir(folder)).sort(), ["db.txt", "db.txt.damaged-1", "db.txt.lock"]);
    assert.match(await readFile(`${file}.damaged-1`, "utf8"), /Yg==\nMg==\n\?\n/);
    const after = await runProgram(cli, ["log", "verify", file, "--json"]);
    assert.equal(JSON.parse(after.stdout).condition.kind, "intact");
  });

  it("changes nothing in a log that is not damaged", { timeout }, async () => {
    const { exitCode, stdout } = await log("repair", healthy);
    assert.deepEqual(
      { exitCode, stdout },
      { exitCode: 0, stdout: `${file}: not damaged; nothing was changed\n` },
    );
    assert.equal(await readFile(file, "utf8"), healthy);
    assert.equal(JSON.parse((await log("repair", healthy, "--json")).stdout).repaired, false);
  });

  it("ends with 2, and names the lock file, while another process has the log open", {
    timeout,
  }, async () => {
    const lock = await lockFile(nodeDisk, file);
    const { exitCode, stderr } = await log("repair", damaged);
    await lock.release();
    assert.equal(exitCode, 2);
    assert.match(stderr, /^kvlab: [^\n]* is in use by [^\n]*db\.txt\.lock is locked[^\n]*\n$/);
    assert.equal(await readFile(file, "utf8"), damaged);
  });
});
