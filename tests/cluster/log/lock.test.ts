import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../../../src/cluster/clock.ts";
import type { Disk } from "../../../src/cluster/log/disk.ts";
import { LogFileError } from "../../../src/cluster/log/errors.ts";
import { lockFile } from "../../../src/cluster/log/lock.ts";
import { nodeDisk } from "../../../src/cluster/log/node-disk.ts";
import { openLog } from "../../../src/cluster/log/open-log.ts";
import { dbfile, put, text } from "../../support/log-fixtures.ts";
import { commandFor } from "../../support/run-program.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { createSimulatedDisk } from "../../support/simulated-disk.ts";

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

function open(name: string) {
  return openLog({
    disk: nodeDisk,
    dbfile: join(folder, name),
    rbfile: join(folder, `${name}.rollback`),
    clock: systemClock,
    onFatal: (error) => {
      throw error;
    },
    log: () => {},
  });
}

/** Another process that has the log open and appends to it. */
async function holder(name: string) {
  const program = new URL("./log-holder-program.ts", import.meta.url);
  const [command, args] = commandFor(program, [join(folder, name), join(folder, `${name}.rollback`)]);
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const exited = new Promise<void>((resolve) => child.on("exit", () => resolve()));
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

describe("a log on a real disk", () => {
  it("is refused to a second store of the same process until it is closed", async () => {
    const store = await open("same.txt");
    await assert.rejects(open("same.txt"), (error) => {
      assert.ok(error instanceof LogFileError);
      assert.match(
        error.message,
        new RegExp(`same\\.txt: is in use by process ${process.pid} \\(.*same\\.txt\\.lock\\)`),
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
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith("killed")),
      ["killed.txt"],
    );
  });

  it("is not kept from us by what an earlier process with our number has left", async () => {
    await writeFile(join(folder, "number.txt.lock"), `${process.pid}@some-earlier-boot:1\n`);
    await (await open("number.txt")).close();
  });

  it("is not kept from us by half a lock file", async () => {
    await writeFile(join(folder, "half.txt.lock"), "");
    await (await open("half.txt")).close();
  });

  it("keeps what is appended over a compaction and a restart", async () => {
    const store = await open("compacted.txt");
    await store.adopt({ group: "g", number: 1 });
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

describe("of several that take a lock at once, in whatever order their steps come,", () => {
  /** A disk as one process of several sees it. */
  function seenBy(disk: Disk, owner: string, running: ReadonlySet<string>): Disk {
    return { ...disk, owner, isRunning: async (other) => running.has(other) };
  }

  it("exactly one gets it when there was none, or a dead one's", async () => {
    for (let seed = 1; seed <= 400; seed++) {
      const random = seededRandom(seed);
      const disk = createSimulatedDisk();
      if (seed % 4 > 0) disk.place(`${dbfile}.lock`, Buffer.from("7@dead\n"));
      // Somebody has died while he took over the lock of a dead one.
      if (seed % 4 > 1) disk.place(`${dbfile}.lock.lock`, Buffer.from("8@dead\n"));
      disk.intercept = async () => {
        for (let turns = Math.floor(random() * 8); turns > 0; turns--) await Promise.resolve();
      };
      const owners = ["1@a", "2@b", "3@c"];
      const running = new Set(owners);
      const results = await Promise.allSettled(
        owners.map((owner) => lockFile(seenBy(disk, owner, running), dbfile)),
      );
      const winners = results.filter(({ status }) => status === "fulfilled");
      assert.equal(winners.length, 1, `seed ${seed}`);
      const winner = owners[results.findIndex(({ status }) => status === "fulfilled")];
      assert.equal(disk.contents(`${dbfile}.lock`)?.toString().trim(), winner, `seed ${seed}`);
      for (const result of results) {
        if (result.status === "rejected") assert.match(String(result.reason), /in use by process/);
        else await result.value();
      }
      assert.deepEqual(disk.paths(), []);
    }
  });
});
