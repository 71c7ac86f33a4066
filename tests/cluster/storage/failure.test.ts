import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LogFileError } from "../../../src/cluster/storage/errors.ts";
import { openLog } from "../../../src/cluster/storage/open.ts";
import { systemClock } from "../../../src/common/clock.ts";
import {
  contentsAfter,
  contentsOf,
  dbfile,
  openOn,
  put,
  rbfile,
  someRecords,
} from "../../support/log-fixtures.ts";
import { type DiskOperation, SimulatedDisk, systemError } from "../../support/simulated-disk.ts";

async function newLog() {
  const disk = new SimulatedDisk();
  const fatal: Error[] = [];
  const store = await openOn(disk, { onFatal: (error) => fatal.push(error) });
  await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
  return { disk, fatal, store };
}

describe("a failed write or sync", () => {
  for (const failing of ["write", "datasync"] as const) {
    it(`(${failing}) is told once, and nothing is taken or tried again`, async () => {
      const { disk, fatal, store } = await newLog();
      await store.append([put(1, 1, "a", "1")]);
      store.commit(1);
      const seen: DiskOperation[] = [];
      disk.intercept = (operation) => {
        if (operation.kind !== "read") seen.push(operation);
        if (operation.kind === failing) throw systemError("EIO", operation.path);
      };
      const waiting = [
        store.append([put(1, 2, "b", "2")]),
        store.append([put(1, 3, "c", "3")]),
        store.promise(4),
      ];
      await Promise.all(
        waiting.map((refused) => assert.rejects(refused, /cannot write to \/data\/db\.txt: EIO/)),
      );
      const attempts = seen.length;
      await assert.rejects(store.append([put(1, 4, "d", "4")]), { code: "failed" });
      await assert.rejects(store.promise(5), { code: "failed" });
      await assert.rejects(store.truncate(1), { code: "failed" });
      await assert.rejects(store.compact(), { code: "failed" });
      assert.equal(seen.length, attempts);
      assert.equal(fatal.length, 1);
      assert.equal(store.durable.seq, 1);
      disk.intercept = undefined;
      assert.deepEqual(await contentsOf(store), new Map([["a", "1"]]));
      await store.close();
      assert.equal(fatal.length, 1);
    });
  }

  it("leaves nothing that the next process takes for being on the disk", async () => {
    const { disk, store } = await newLog();
    await store.append([put(1, 1, "a", "1")]);
    disk.intercept = ({ kind, path }) => {
      if (kind !== "datasync") return;
      disk.giveUpWrites(path);
      throw systemError("EIO", path);
    };
    await assert.rejects(store.append([put(1, 2, "b", "x".repeat(600)), put(1, 3, "c", "3")]), {
      code: "failed",
    });
    disk.intercept = undefined;
    disk.kill();
    const next = await openOn(disk);
    const { seq } = next.durable;
    await next.append([put(1, seq + 1, "d", "4")]);
    next.commit(seq + 1);
    const contents = await contentsOf(next);
    disk.crash(() => 0);
    const last = await openOn(disk);
    assert.deepEqual(last.condition, { kind: "intact" });
    assert.deepEqual(await contentsOf(last), contents);
    await last.close();
  });

  it("in the replacement of the log is fatal too", async () => {
    for (const failing of ["rename", "sync-directory"]) {
      const { disk, fatal, store } = await newLog();
      await store.append(someRecords(50));
      store.commit(50);
      disk.intercept = ({ kind, path }) => {
        if (kind === failing) throw systemError("EIO", path);
      };
      await assert.rejects(store.compact(), { code: "failed" });
      assert.equal(fatal.length, 1);
      await assert.rejects(store.append([put(3, 51, "a", "")]), { code: "failed" });
      disk.intercept = undefined;
      disk.crash(() => 1);
      const again = await openOn(disk);
      assert.deepEqual(await contentsOf(again), contentsAfter(someRecords(50)));
      await again.close();
    }
  });

  it("in a copy forgets the copy and keeps the log", async () => {
    const { disk, fatal, store } = await newLog();
    await store.append([put(1, 1, "a", "1")]);
    store.commit(1);
    const copy = await store.beginSnapshot({
      base: { epoch: 1, seq: 5 },
      epochs: [{ epoch: 1, firstSeq: 1 }],
      requestsAfter: 0,
    });
    await copy.write([put(1, 4, "b", "2")]);
    disk.freeBytes = 10;
    await assert.rejects(copy.finish(), /ENOSPC/);
    assert.equal(disk.contents(rbfile), undefined);
    disk.freeBytes = 1000;
    await store.append([put(1, 2, "c", "3")]);
    assert.equal(fatal.length, 0);
    await store.close();
  });
});

describe("bit rot", () => {
  it("under a record is found when that is read; no wrong value is returned", async () => {
    const { disk, store } = await newLog();
    await store.append([put(1, 1, "a", "x".repeat(1000)), put(1, 2, "b", "2")]);
    await store.close();
    const again = await openOn(disk);
    disk.flip(dbfile, 500, 1);
    await assert.rejects(again.get("a"), /record 1 of \/data\/db\.txt has become unreadable/);
    await assert.rejects(again.read(0, 1000), /record 1 of \/data\/db\.txt has become unreadable/);
    assert.equal((await again.get("b"))?.revision, 2);
    again.commit(2);
    await assert.rejects(again.compact(), /line 2 has become unreadable/);
    const reader = await again.openSnapshot();
    await assert.rejects(reader.next(1000), /line 2 of \/data\/db\.txt has become bad/);
    await reader.close();
    await again.close();
  });
});

describe("a log that cannot be opened is refused with its name, the reason and what is allowed:", () => {
  const refusals: [string, DiskOperation["kind"] | undefined, string, RegExp][] = [
    [
      "a read-only directory",
      "lock",
      "EACCES",
      /^\/data\/db\.txt\.lock: cannot lock this file: EACCES.*must be writable/,
    ],
    ["a read-only file system", "lock", "EROFS", /EROFS.*can be written to/],
    ["a full disk", "lock", "ENOSPC", /ENOSPC.*free some space/],
    [
      "a log that is not ours to write",
      "open",
      "EACCES",
      /^\/data\/db\.txt: cannot open it: EACCES.*must be writable/,
    ],
    [
      "a rollback file that cannot be made",
      "create",
      "EACCES",
      /^\/data\/rollback\.txt: cannot make it: EACCES.*must be writable/,
    ],
  ];
  for (const [name, kind, code, message] of refusals) {
    it(name, async () => {
      const disk = new SimulatedDisk();
      disk.place(dbfile, Buffer.from(""));
      disk.intercept = (operation) => {
        if (operation.kind === kind) throw systemError(code, operation.path);
      };
      await assert.rejects(openOn(disk), (error) => {
        assert.ok(error instanceof LogFileError);
        assert.match(error.message, message);
        assert.ok(!error.message.includes("\n"));
        return true;
      });
      disk.intercept = undefined;
      // Nothing is left behind that would be in the way.
      await (await openOn(disk)).close();
    });
  }

  it("a directory", async () => {
    const disk = new SimulatedDisk();
    const options = { clock: systemClock, onFatal: () => {}, log: () => {} };
    await assert.rejects(
      openLog({ ...options, disk, dbfile: "/data/dir", rbfile }),
      /^LogFileError: \/data\/dir: is a directory/,
    );
  });

  it("one file for log and rollback", async () => {
    const disk = new SimulatedDisk();
    const options = { clock: systemClock, onFatal: () => {}, log: () => {} };
    await assert.rejects(
      openLog({ ...options, disk, dbfile, rbfile: "/data/../data/db.txt" }),
      /is both dbfile and rbfile/,
    );
  });

  it("a rollback file on another file system", async () => {
    const disk = new SimulatedDisk();
    const look = disk.look.bind(disk);
    disk.look = async (path) => {
      const entry = await look(path);
      return entry === undefined ? undefined : { ...entry, fileSystem: path.startsWith("/other") ? 2 : 1 };
    };
    const options = { clock: systemClock, onFatal: () => {}, log: () => {} };
    await assert.rejects(
      openLog({ ...options, disk, dbfile, rbfile: "/other/rollback.txt" }),
      /must lie on the same file system as \/data\/db\.txt/,
    );
  });

  const newer: [string, string][] = [
    ["a header of a later format", "!kvlab 2 something=new"],
    ["a header with an unknown field", "!kvlab 1 group=a number=1 store=b shard=7"],
    ["an unknown control line", "!shard 7"],
  ];
  for (const [name, line] of newer) {
    it(`${name}, which is the work of a later version and no damage`, async () => {
      const disk = new SimulatedDisk();
      disk.place(dbfile, Buffer.from(withChecksum(line)));
      await assert.rejects(
        openOn(disk),
        /^LogFileError: \/data\/db\.txt: line 1: .*(later version|format 1).*use that version/,
      );
    });
  }
});

/** A control line as any version writes it. */
function withChecksum(line: string): string {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(line)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return `${line} ${((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0")}\n`;
}
