// apart: it starts processes, and has hooks for all of its tests
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { link, mkdir, mkdtemp, readdir, readFile, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { nodeDisk } from "../../../../src/cluster/storage/disk/node-disk.ts";
import { LogFileError } from "../../../../src/cluster/storage/errors.ts";
import { openLog } from "../../../../src/cluster/storage/open.ts";
import type { LogOptions } from "../../../../src/cluster/storage/options.ts";
import { systemClock } from "../../../../src/common/clock.ts";
import { put, text } from "../../../support/log-fixtures.ts";
import { commandFor } from "../../../support/run-program.ts";

const timeout = 60_000;
const children: ChildProcess[] = [];
let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvlab-lock-"));
});

after(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

function open(
  name: string,
  rbname = `${name}.rollback`,
  onFatal: (error: Error) => void = fail,
  clock: LogOptions["clock"] = systemClock,
) {
  return openLog({
    disk: nodeDisk,
    dbfile: join(folder, name),
    rbfile: join(folder, rbname),
    clock,
    onFatal,
    log: () => {},
  });
}

function fail(error: Error): never {
  throw error;
}

/** Its own process ids, as a container has them; the end of the first process is that of the second. */
const container = ["--pid", "--fork", "--mount-proc", "--kill-child"];

/** Another process that has the log open and appends to it. */
async function holder(name: string, inContainer = false) {
  const program = new URL("./log-holder-program.ts", import.meta.url);
  const [command, args] = commandFor(program, [join(folder, name), join(folder, `${name}.rollback`)]);
  const [called = "", ...given] = [...(inContainer ? ["unshare", ...container] : []), command, ...args];
  const child = spawn(called, given, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const exited = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const lines = createInterface({ input: child.stdout });
  let acknowledged = 0;
  const many = Promise.withResolvers<void>();
  lines.on("line", (line) => {
    acknowledged = Number(line) || 0;
    if (acknowledged >= 300) many.resolve();
  });
  await Promise.race([many.promise, exited]);
  return {
    pid: child.pid,
    async kill() {
      child.kill("SIGKILL");
      await exited;
      return acknowledged;
    },
  };
}

/** What another process says that cannot open the log. */
async function run(name: string, prefix: readonly string[]): Promise<string> {
  const program = new URL("./log-holder-program.ts", import.meta.url);
  const [command, args] = commandFor(program, [join(folder, name), join(folder, `${name}.rollback`)]);
  const [called = "", ...given] = [...prefix, command, ...args];
  const { stdout, stderr } = spawnSync(called, given, { encoding: "utf8", timeout });
  return stdout + stderr;
}

describe("a log on a real disk", () => {
  it("is refused to a second store of the same process until it is closed", async () => {
    const store = await open("same.txt");
    await assert.rejects(open("same.txt"), (error) => {
      assert.ok(error instanceof LogFileError);
      assert.match(
        error.message,
        new RegExp(`same\\.txt: is in use by process ${process.pid} \\(.*same\\.txt\\.lock is locked`),
      );
      return true;
    });
    await store.append([put(1, 1, "a", "1")]);
    await store.close();
    const again = await open("same.txt");
    assert.equal(text((await again.get("a"))?.value), "1");
    await again.close();
  });

  it("is refused to another process, and has all acknowledged records after kill -9", {
    timeout,
  }, async () => {
    const other = await holder("killed.txt");
    await assert.rejects(open("killed.txt"), new RegExp(`is in use by process ${other.pid}`));
    const acknowledged = await other.kill();
    const store = await open("killed.txt");
    assert.notEqual(store.condition.kind, "damaged");
    assert.ok(acknowledged >= 300 && store.last.seq >= acknowledged);
    assert.equal(text((await store.get(`key ${store.last.seq % 100}`))?.value), `value ${store.last.seq}`);
    await store.close();
    assert.deepEqual((await readdir(folder)).filter((name) => name.startsWith("killed")).sort(), [
      "killed.txt",
      "killed.txt.lock",
      "killed.txt.rollback.lock",
    ]);
  });

  it("is refused to a process in another container, and free as soon as its holder is killed", {
    timeout,
  }, async (t) => {
    if (spawnSync("unshare", [...container, "true"]).status !== 0) return t.skip("no containers here");
    const other = await holder("shared.txt", true);
    await assert.rejects(open("shared.txt"), /shared\.txt: is in use by .*shared\.txt\.lock is locked/);
    const second = await run("shared.txt", ["unshare", ...container]);
    assert.match(second, /shared\.txt: is in use by another process, perhaps in another container/);
    const acknowledged = await other.kill();
    const store = await open("shared.txt");
    assert.equal(store.condition.kind === "damaged", false);
    assert.ok(store.last.seq >= acknowledged);
    await store.close();
  });

  it("leaves the same files beside it after each start", async () => {
    const names = async () => (await readdir(folder)).filter((name) => name.startsWith("often")).sort();
    await (await open("often.txt")).close();
    const first = await names();
    assert.deepEqual(first, ["often.txt", "often.txt.lock", "often.txt.rollback.lock"]);
    for (let start = 0; start < 3; start++) await (await open("often.txt")).close();
    assert.deepEqual(await names(), first);
  });

  it("is refused under another spelling, and to whom it is the rbfile", async () => {
    await mkdir(join(folder, "real"));
    await symlink(join(folder, "real"), join(folder, "alias"));
    const store = await open("real/db.txt", "real/rb.txt");
    await assert.rejects(open("alias/db.txt", "alias/other.txt"), /alias\/db\.txt: is in use by process/);
    await assert.rejects(open("real/../real/db.txt", "real/other.txt"), /is in use by process/);
    await assert.rejects(open("real/another.txt", "alias/rb.txt"), /alias\/rb\.txt: is in use by process/);
    await assert.rejects(open("real/another.txt", "real/db.txt"), /real\/db\.txt: is in use by process/);
    await assert.rejects(open("real/rb.txt", "real/another.txt"), /real\/rb\.txt: is in use by process/);
    await assert.rejects(open("real/one.txt", "alias/one.txt"), /is both dbfile and rbfile/);
    await store.close();
  });

  it("is refused while the file has another name", async () => {
    await (await open("linked.txt")).close();
    await link(join(folder, "linked.txt"), join(folder, "link-of-it.txt"));
    for (const name of ["linked.txt", "link-of-it.txt"]) {
      await assert.rejects(open(name), /is one file with 2 names \(hard links\); it must have one/);
    }
    await unlink(join(folder, "link-of-it.txt"));
    await (await open("linked.txt")).close();
  });

  it("acknowledges nothing more once its lock file is removed or replaced", async () => {
    for (const [name, change] of [
      ["removed.txt", (path: string) => unlink(path)],
      ["replaced.txt", (path: string) => unlink(path).then(() => writeFile(path, ""))],
    ] as const) {
      const fatal: Error[] = [];
      let nowMs = 0;
      const clock = { ...systemClock, monotonicMs: () => nowMs };
      const store = await open(name, undefined, (error) => fatal.push(error), clock);
      await store.append([put(1, 1, "a", "1")]);
      await change(join(folder, `${name}.lock`));
      nowMs += 50;
      await assert.rejects(store.append([put(1, 2, "a", "2")]), /its lock file was removed or replaced/);
      assert.equal(fatal.length, 1);
      await store.close();
    }
  });

  it("is refused with what to do when an earlier version has left its lock", async () => {
    await writeFile(join(folder, "earlier.txt.lock"), "4711@some-boot:1\n");
    await assert.rejects(open("earlier.txt"), (error) => {
      assert.ok(error instanceof LogFileError);
      assert.match(error.message, /earlier\.txt\.lock: cannot lock this file.*earlier version.*remove it$/);
      return true;
    });
    await unlink(join(folder, "earlier.txt.lock"));
    await (await open("earlier.txt")).close();
  });

  it("keeps what is appended over a compaction and a restart", async () => {
    const store = await open("compacted.txt");
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    for (let seq = 1; seq <= 200; seq++) {
      const appended = store.append([put(1, seq, `key ${seq % 10}`, `value ${seq}`)]);
      if (seq % 20 === 0) await appended;
    }
    store.commit(200);
    await Promise.all([store.compact(), store.append([put(1, 201, "new", "x")])]);
    await store.close();
    const again = await open("compacted.txt");
    assert.equal(again.keyCount, 11);
    assert.equal(again.base.seq, 200);
    for (let seq = 191; seq <= 200; seq++) {
      assert.equal(text((await again.get(`key ${seq % 10}`))?.value), `value ${seq}`);
    }
    await again.close();
    assert.match(await readFile(join(folder, "compacted.txt"), "utf8"), /^!kvlab 1 group=g number=1 /);
  });

  it("must be a regular file in a directory that is there", async () => {
    await symlink(join(folder, "same.txt"), join(folder, "link.txt"));
    const refusals: [string, RegExp][] = [
      ["link.txt", /link\.txt: is no regular file; it must be/],
      ["../../../../../../dev/full", /is no regular file; it must be/],
      [".", /is a directory; it must be/],
      ["missing/log.txt", /its directory must exist/],
    ];
    for (const [name, message] of refusals) await assert.rejects(open(name), message);
  });
});
