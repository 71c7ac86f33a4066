import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { KvClient } from "../../src/client/index.ts";
import { type EmbeddedCluster, startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { commandFor } from "../support/run-program.ts";
import { cli, runKvlab } from "./run-kvlab.ts";

const timeout = 60_000;

let cluster: EmbeddedCluster;
let router: string;
let folder: string;

before(
  async () => {
    cluster = await startEmbeddedCluster();
    router = cluster.routers[0]?.address ?? "";
    folder = await mkdtemp(join(tmpdir(), "kvlab-export-"));
    await using client = new KvClient({ routers: router });
    const value = (index: number) => (index % 2 === 0 ? `text ${index}` : Uint8Array.of(255, index));
    await Promise.all(Array.from({ length: 50 }, (_, index) => client.put(`a:${index}`, value(index))));
    await client.put("b:\n", "…", { ttlMs: 3_600_000 });
  },
  { timeout },
);

after(async () => {
  await cluster.close();
  await rm(folder, { recursive: true });
});

const exporting = (...args: string[]) => runKvlab(["export", ...args, "--router", router]);

describe("kvlab export", () => {
  it("writes a line of JSON for each key, in order, which kvlab import reads", { timeout }, async () => {
    const file = join(folder, "all.jsonl");
    const { exitCode, stdout, stderr } = await exporting(file, "--json");
    assert.equal(exitCode, 0, stderr);
    assert.equal(JSON.parse(stdout).exported, 51);
    const content = await readFile(file, "utf8");
    const lines = content.trimEnd().split("\n");
    assert.equal(lines[0], '{"key":"a:0","text":"text 0"}');
    assert.equal(lines[1], '{"key":"a:1","base64":"/wE="}');
    const { key, text, ttlMs } = JSON.parse(lines[50] ?? "");
    assert.deepEqual({ key, text }, { key: "b:\n", text: "…" });
    assert.ok(ttlMs > 0 && ttlMs <= 3_600_000);
    const another = await startEmbeddedCluster();
    try {
      const target = another.routers[0]?.address ?? "";
      assert.equal((await runKvlab(["import", file, "--router", target])).exitCode, 0);
      const back = await runKvlab(["export", "--prefix", "a:", "--router", target]);
      assert.equal(back.stdout, `${lines.slice(0, 50).join("\n")}\n`);
    } finally {
      await another.close();
    }
  });

  it("continues after the last complete line with --resume", { timeout }, async () => {
    const file = join(folder, "resumed.jsonl");
    assert.equal((await exporting(file, "--prefix", "a:", "--resume")).exitCode, 0);
    const whole = await readFile(file);
    for (const bytes of [0, 5, 40, whole.length - 1, whole.length]) {
      await truncate(file, bytes);
      assert.equal((await exporting(file, "--prefix", "a:", "--resume")).exitCode, 0);
      assert.deepEqual(await readFile(file), whole, `cut at ${bytes}`);
    }
  });

  it("writes to a FIFO or the like directly, and refuses a folder", { timeout }, async () => {
    const fifo = join(folder, "fifo");
    await promisify(execFile)("mkfifo", [fifo]);
    const reading = text(createReadStream(fifo));
    const { exitCode, stdout, stderr } = await exporting(fifo, "--quiet", "--prefix", "a:");
    assert.deepEqual({ exitCode, stdout, stderr }, { exitCode: 0, stdout: "", stderr: "" });
    const whole = await exporting("-", "--quiet", "--prefix", "a:");
    assert.equal(await reading, whole.stdout);
    const full = await exporting("/dev/full");
    assert.equal(full.exitCode, 6);
    assert.match(
      full.stderr,
      /export: \/dev\/full cannot be written \((ENOSPC|No space left)[^\n]*\); [^\n]*\n$/,
    );
    const refused = await exporting(folder);
    assert.deepEqual(
      [refused.exitCode, refused.stderr],
      [2, `kvlab: ${folder} is a folder; allowed: a file\n`],
    );
    assert.equal((await exporting(fifo, "--resume")).exitCode, 2);
  });

  it("has stopped before its end when standard output is full", { timeout }, async () => {
    const [command, args] = commandFor(cli, ["export", "-", "--quiet", "--router", router]);
    const child = spawn("sh", ["-c", 'exec "$@" > /dev/full', "sh", command, ...args], { stdio: "pipe" });
    const [stderr, [exitCode]] = await Promise.all([text(child.stderr), once(child, "close")]);
    assert.equal(exitCode, 6);
    assert.match(stderr, /^kvlab: standard output cannot be written \([^\n]*\); [^\n]*\n$/);
  });

  it("leaves no file behind when no router answers, so that the same command can be tried again", {
    timeout,
  }, async () => {
    const file = join(folder, "later.jsonl");
    const nowhere = await runKvlab(["export", file, "--router", "127.0.0.1:1", "--timeout", "1"]);
    assert.equal(nowhere.exitCode, 3);
    assert.equal((await exporting(file, "--quiet", "--prefix", "a:")).exitCode, 0);
  });

  it("changes no existing file, and none that is not an export", { timeout }, async () => {
    const file = join(folder, "mine.txt");
    await writeFile(file, "mine");
    assert.deepEqual(await exporting(file), {
      exitCode: 2,
      stdout: "",
      stderr: `kvlab: ${file} exists already; --resume continues after its last line\n`,
    });
    assert.equal((await exporting(file, "--resume")).exitCode, 2);
    await appendFile(file, "\nand mine\n");
    const { exitCode, stderr } = await exporting(file, "--resume");
    assert.equal(exitCode, 2);
    assert.match(stderr, /^kvlab: the last line of \S+mine\.txt is of no export: it is not JSON [^\n]*\n$/);
    assert.equal(await readFile(file, "utf8"), "mine\nand mine\n");
  });
});
