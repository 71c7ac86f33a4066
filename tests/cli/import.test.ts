import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createWriteStream, existsSync, readFileSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { KvClient, type KvEntry } from "../../src/client/index.ts";
import { type EmbeddedCluster, startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { commandFor } from "../support/run-program.ts";
import { cli, runKvlab, startKvlab } from "./run-kvlab.ts";

const timeout = 120_000;

let cluster: EmbeddedCluster;
let client: KvClient;
let router: string;
let folder: string;
let file: string;

before(
  async () => {
    cluster = await startEmbeddedCluster({ valueBytesMax: 100_000 });
    router = cluster.routers[0]?.address ?? "";
    client = new KvClient({ routers: router });
  },
  { timeout },
);

after(async () => {
  client.close();
  await cluster.close();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvlab-import-"));
  file = join(folder, "keys.jsonl");
});

afterEach(() => rm(folder, { recursive: true }));

const importing = (...args: string[]) => ["import", ...args, "--router", router];
async function stored(prefix: string): Promise<KvEntry[]> {
  const entries: KvEntry[] = [];
  for await (const entry of client.scan({ prefix })) entries.push(entry);
  return entries;
}

/** Lines of which some are for a key that an earlier one was for, and what the store is to hold then. */
function manyLines(prefix: string, count: number): { content: string; values: Map<string, string> } {
  const values = new Map<string, string>();
  let content = "";
  for (let index = 0; index < count; index++) {
    const key = `${prefix}${(index * 7) % Math.ceil(count * 0.9)}`;
    const text = `value ${index}`;
    values.set(key, text);
    content += `${JSON.stringify({ key, text })}\n`;
  }
  return { content, values };
}

async function assertStored(prefix: string, values: ReadonlyMap<string, string>): Promise<void> {
  const found = new Map((await stored(prefix)).map(({ key, value }) => [key, value]));
  assert.equal(found.size, values.size);
  for (const [key, value] of values) assert.equal(found.get(key), value, key);
}

describe("kvlab import", () => {
  it("puts every line, with text, bytes or a time to live; the last line of a key counts", {
    timeout,
  }, async () => {
    const lines = [
      { key: "i:text", text: "1" },
      { key: "i:bytes", base64: "/wA=" },
      { key: "i:text", text: "ü" },
      { key: "i:ttl", text: "", ttlMs: 3_600_000 },
    ];
    // Neither a blank line nor a missing line end is of importance.
    await writeFile(file, lines.map((line) => JSON.stringify(line)).join("\r\n\n"));
    const { exitCode, stdout, stderr } = await runKvlab(importing(file, "--json"));
    assert.equal(exitCode, 0, stderr);
    const { seconds, ...counts } = JSON.parse(stdout);
    assert.deepEqual(counts, { imported: 4, bad: 0, linesBefore: 0 });
    assert.ok(seconds > 0);
    const entries = await stored("i:");
    assert.deepEqual(
      entries.map(({ key, value }) => [key, typeof value === "string" ? value : [...value]]),
      [
        ["i:bytes", [255, 0]],
        ["i:text", "ü"],
        ["i:ttl", ""],
      ],
    );
    assert.ok((entries[2]?.ttlLeftMs ?? 0) > 3_000_000);
    assert.ok(!existsSync(`${file}.kvlab-import`));
  });

  it("continues where it was after kill -9, and the store equals the file", { timeout }, async () => {
    const { content, values } = manyLines("k:", 60_000);
    await writeFile(file, content);
    const kvlab = startKvlab(importing(file));
    await kvlab.says("it has come somewhere", () => lineOf(file) > 1);
    kvlab.signal("SIGKILL");
    assert.equal(await kvlab.ended, "SIGKILL");
    const { line } = JSON.parse(await readFile(`${file}.kvlab-import`, "utf8"));
    assert.ok(line > 1 && line <= 60_000);
    const { exitCode, stdout, stderr } = await runKvlab(importing(file, "--json"));
    assert.equal(exitCode, 0, stderr);
    const { imported, linesBefore } = JSON.parse(stdout);
    assert.deepEqual([linesBefore, imported], [line - 1, 60_000 - linesBefore]);
    await assertStored("k:", values);
  });

  it("ends with 130 on Ctrl-C, says how to continue, and continues", { timeout }, async () => {
    const { content, values } = manyLines("c:", 2_000);
    const kvlab = startKvlab(importing("-", "--direct"));
    const changes = client.watch({ prefix: "c:" });
    await changes.ready();
    // The input does not end, and its last line is not whole.
    kvlab.child.stdin?.write(content.slice(0, -10));
    for await (const _change of changes) break;
    kvlab.signal("SIGINT");
    assert.equal(await kvlab.ended, 130);
    const [, from = ""] =
      /import: interrupted; [^\n]*: --from-line (\d+) goes on\n$/.exec(kvlab.stderr()) ?? [];
    assert.ok(Number(from) > 1, kvlab.stderr());
    const { exitCode } = await runKvlab(importing("--from-line", from), { stdin: content });
    assert.equal(exitCode, 0);
    await assertStored("c:", values);
  });

  it("stops at a bad line, names it, and continues when the line is corrected", { timeout }, async () => {
    const good = (index: number) => JSON.stringify({ key: `b:${index}`, text: "1" });
    await writeFile(file, [good(1), good(2), '{"key":"b:3","txt":"1"}', good(4)].join("\n"));
    const stopped = await runKvlab(importing(file));
    assert.deepEqual(
      [stopped.exitCode, stopped.stderr],
      [
        2,
        `kvlab: import: line 3 of ${file}: "txt" is not a known field; allowed: key, text, base64, ttlMs; ` +
          "2 lines are in, everything before line 3: the same command goes on\n",
      ],
    );
    await writeFile(file, [good(1), good(2), good(3), good(4)].join("\n"));
    const { stdout, exitCode } = await runKvlab(importing(file, "--json"));
    assert.equal(exitCode, 0);
    assert.equal(JSON.parse(stdout).imported, 2);
    assert.equal((await stored("b:")).length, 4);
  });

  it("says how to continue also when it has been told where to start", { timeout }, async () => {
    const good = (index: number) => JSON.stringify({ key: `t:${index}`, text: "1" });
    await writeFile(file, [good(1), good(2), "bad", good(4)].join("\n"));
    const { stderr } = await runKvlab(importing(file, "--restart"));
    assert.match(stderr, /; 2 lines are in, everything before line 3: --from-line 3 goes on\n$/);
    const later = await runKvlab(importing(file, "--from-line", "2"));
    assert.match(later.stderr, /; 1 line is in, everything before line 3: --from-line 3 goes on\n$/);
    await writeFile(file, [good(1), good(2), good(3), good(4)].join("\n"));
    const { stdout } = await runKvlab(importing(file, "--from-line", "3", "--json"));
    assert.equal(JSON.parse(stdout).imported, 2);
  });

  it("skips bad lines with --skip-bad, also those that the servers refuse", { timeout }, async () => {
    const long = JSON.stringify({ key: "s:long", text: "x".repeat(100_001) });
    const others = Array.from({ length: 20 }, (_, index) => JSON.stringify({ key: `s:${index}`, text: "" }));
    await writeFile(file, [...others.slice(0, 10), long, "nonsense", ...others.slice(10)].join("\n"));
    const { exitCode, stdout, stderr } = await runKvlab(importing(file, "--skip-bad", "--quiet", "--json"));
    assert.equal(exitCode, 0, stderr);
    const { imported, bad } = JSON.parse(stdout);
    assert.deepEqual({ imported, bad }, { imported: 20, bad: 2 });
    for (const line of [11, 12]) {
      assert.match(stderr, new RegExp(`^kvlab import: passed over line ${line} of [^\n]*$`, "m"));
    }
    assert.equal((await stored("s:")).length, 20);
  });

  it("names a line whose key or value is not allowed, and skips it with --skip-bad", {
    timeout,
  }, async () => {
    const good = (index: number) => JSON.stringify({ key: `w:${index}`, text: "" });
    const wrong = [
      { key: `w:${"k".repeat(5_000)}`, text: "" },
      { key: "w:\ud800", text: "" },
      { key: "w:text", text: "\udc00" },
      { key: "w:ttl", text: "", ttlMs: 101 * 365 * 24 * 3600 * 1000 },
      { key: "w:ttl", text: "", ttlMs: 0 },
    ].map((line) => JSON.stringify(line));
    await writeFile(file, [good(1), ...wrong, good(2)].join("\n"));
    const stopped = await runKvlab(importing(file));
    assert.equal(stopped.exitCode, 2);
    assert.match(
      stopped.stderr,
      /^kvlab: import: line 2 of [^\n]*: the key has 5002 bytes of UTF-8; at most 4096/,
    );
    const { exitCode, stdout, stderr } = await runKvlab(importing(file, "--skip-bad", "--quiet", "--json"));
    assert.equal(exitCode, 0, stderr);
    const { imported, bad, linesBefore } = JSON.parse(stdout);
    assert.deepEqual({ bad, lines: imported + bad + linesBefore }, { bad: 5, lines: 7 });
    assert.equal((await stored("w:")).length, 2);
  });

  it("reads a FIFO or the like without a journal, and refuses a folder", { timeout }, async () => {
    const fifo = join(folder, "fifo");
    await promisify(execFile)("mkfifo", [fifo]);
    const { content, values } = manyLines("f:", 3_000);
    const kvlab = startKvlab(importing(fifo, "--json"));
    const changes = client.watch({ prefix: "f:" });
    await changes.ready();
    // Opens when the other side does, and takes what comes in two parts.
    const writer = createWriteStream(fifo);
    writer.on("error", () => {});
    writer.write(content.slice(0, 50_000));
    for await (const _change of changes) break;
    writer.end(content.slice(50_000));
    assert.equal(await kvlab.ended, 0, kvlab.stderr());
    assert.equal(JSON.parse(kvlab.stdout()).imported, 3_000);
    assert.ok(!existsSync(`${fifo}.kvlab-import`));
    await assertStored("f:", values);

    await writeFile(file, content);
    const [command, args] = commandFor(cli, importing("/dev/stdin", "--json"));
    const piped = await promisify(execFile)("sh", ["-c", 'cat "$0" | "$@"', file, command, ...args]);
    assert.equal(JSON.parse(piped.stdout).imported, 3_000);

    const refused = await runKvlab(importing(folder));
    assert.deepEqual(refused, {
      exitCode: 2,
      stdout: "",
      stderr: `kvlab: ${folder} is a folder; allowed: a file\n`,
    });
    const none = await runKvlab(importing(join(folder, "none")));
    assert.equal(none.exitCode, 2);
    assert.match(none.stderr, /none: there is no such file or folder\n$/);
  });

  it("puts a line while its pipe says no more, says how far it has come, and ends on SIGTERM", {
    timeout,
  }, async () => {
    const fifos = [join(folder, "fifo"), join(folder, "opened")] as const;
    await promisify(execFile)("mkfifo", [...fifos]);
    const [unopened, opened] = fifos.map((fifo) => startKvlab(importing(fifo)));
    // A second reader may come and go; the writer stays and says no more.
    const writer = createWriteStream(fifos[1]);
    writer.write('{"key":"t:1","text":"1"}\n');
    await Promise.all([
      unopened?.says("it waits", () => /^0 lines/m.test(unopened.stderr())),
      opened?.says("a line is in", () => /^1 lines/m.test(opened.stderr())),
    ]);
    for (const kvlab of [unopened, opened]) {
      kvlab?.signal("SIGTERM");
      assert.equal(await kvlab?.ended, 130);
    }
    writer.destroy();
  });

  it("continues without a journal where none can be written, and says so", { timeout }, async () => {
    const { content, values } = manyLines("n:", 500);
    await writeFile(file, content);
    // As good as a folder that this user may not write to, which root may.
    await mkdir(`${file}.kvlab-import.new`);
    const { exitCode, stderr } = await runKvlab(importing(file, "--quiet"));
    assert.equal(exitCode, 0, stderr);
    assert.match(
      stderr,
      /^kvlab import: [^\n]*keys\.jsonl\.kvlab-import cannot be written \([^\n]*\): this goes on without it[^\n]*\n$/,
    );
    await assertStored("n:", values);
    await appendFile(file, "bad\n");
    const stopped = await runKvlab(importing(file, "--quiet"));
    assert.equal(stopped.exitCode, 2);
    assert.match(stopped.stderr, /everything before line 501: --from-line 501 goes on\n$/);
  });

  it("leaves no journal of an import that is finished, also when that could be written no more", {
    timeout,
  }, async () => {
    const { content } = manyLines("p:", 3);
    const [first, second, third] = content.split("\n");
    await writeFile(file, [first, second, "bad"].join("\n"));
    assert.equal((await runKvlab(importing(file))).exitCode, 2);
    assert.equal(lineOf(file), 3);
    await writeFile(file, [first, second, third].join("\n"));
    await mkdir(`${file}.kvlab-import.new`);
    const { exitCode, stderr } = await runKvlab(importing(file, "--quiet"));
    assert.deepEqual([exitCode, lineOf(file)], [0, 0], stderr);
    await rm(`${file}.kvlab-import.new`, { recursive: true });
    const again = await runKvlab(importing(file, "--json"));
    assert.equal(JSON.parse(again.stdout).imported, 3);
  });

  it("does not continue in another file or another cluster", { timeout }, async () => {
    const { content } = manyLines("o:", 10);
    await writeFile(file, `${content}bad\n`);
    assert.equal((await runKvlab(importing(file))).exitCode, 2);
    const elsewhere = await runKvlab(["import", file, "--router", "127.0.0.1:1"]);
    assert.equal(elsewhere.exitCode, 2);
    assert.match(
      elsewhere.stderr,
      /it is of an import by http:\S+, not http:\/\/127.0.0.1:1; --restart begins anew/,
    );
    await writeFile(file, `${content.replace("value 3", "VALUE 3")}bad\n`);
    const other = await runKvlab(importing(file));
    assert.equal(other.exitCode, 2);
    assert.match(other.stderr, /keys\.jsonl is not what it was before line 11; --restart begins anew/);
    await writeFile(file, content);
    await appendFile(file, '{"key":"o:last","text":""}');
    const { exitCode, stdout } = await runKvlab(importing(file, "--restart", "--json"));
    assert.equal(exitCode, 0);
    assert.equal(JSON.parse(stdout).imported, 11);
  });
});

/** The line that the journal of an import stands at; 0 while there is none. */
function lineOf(file: string): number {
  const path = `${file}.kvlab-import`;
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).line : 0;
}
