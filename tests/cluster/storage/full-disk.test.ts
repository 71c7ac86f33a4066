import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import {
  contentsAfter,
  contentsOf,
  dbfile,
  epochRecord,
  openOn,
  put,
  rbfile,
  someRecords,
  text,
} from "../../support/log-fixtures.ts";
import { SimulatedDisk, systemError } from "../../support/simulated-disk.ts";

const full = { name: "LogStoreError", code: "full" };

async function newLog(records: readonly LogRecord[] = [put(1, 1, "a", "1")]) {
  const disk = new SimulatedDisk();
  const fatal: Error[] = [];
  const log: string[] = [];
  const options = {
    onFatal: (error: Error) => fatal.push(error),
    log: (message: string) => log.push(message),
  };
  const store = await openOn(disk, options);
  await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
  await store.append(records);
  store.commit(store.last.seq);
  return { disk, fatal, log, store, options };
}

/** Everything that a store says of its end and of what is to come. */
function endOf(store: LogStore) {
  const { last, durable, written, epochs, keyCount, fileBytes } = store;
  return { last, durable, written, epochs, keyCount, fileBytes, b: store.pendingFacts("b") };
}

describe("a record that there is no room for", () => {
  for (const code of ["ENOSPC", "EDQUOT", "EFBIG"]) {
    it(`(${code}) is as if it had never been appended, and the log goes on when there is room`, async () => {
      const { disk, fatal, log, store } = await newLog();
      const before = endOf(store);
      disk.intercept = ({ kind, path }) => {
        if (kind === "write") throw systemError(code, path);
      };
      const refused = store.append([{ ...put(1, 2, "b", "2"), requestId: "r2" }]);
      assert.deepEqual([store.last.seq, store.pendingFacts("b")?.revision], [2, 2]);
      await assert.rejects(refused, full);
      assert.deepEqual(endOf(store), before);
      assert.equal(store.requestOf("r2")?.seq, undefined);
      assert.match(store.full ?? "", new RegExp(code));
      assert.equal(text((await store.get("a"))?.value), "1");
      await assert.rejects(store.append([put(1, 2, "c", "2")]), full);

      disk.intercept = undefined;
      await store.append([put(1, 2, "d", "2")]);
      store.commit(2);
      assert.equal(store.full, undefined);
      assert.deepEqual(
        [...(await contentsOf(store))],
        [
          ["a", "1"],
          ["d", "2"],
        ],
      );
      await store.close();
      assert.equal(fatal.length, 0);
      assert.equal(log.length, 2);
      assert.match(
        log[0] ?? "",
        new RegExp(`cannot write to it: ${code}.*writes are refused and reads go on`),
      );
      assert.match(log[1] ?? "", /has room again/);
    });
  }

  it("is withdrawn in one turn with all that came after it", async () => {
    const { disk, store } = await newLog();
    disk.freeBytes = 20;
    const told: unknown[] = [];
    store.onEnd({
      written: () => told.push("written"),
      withdrawn: (afterSeq) => told.push([afterSeq, store.last.seq, store.pendingFacts("b")]),
    });
    const refused = [2, 3, 4].map((seq) => store.append([put(1, seq, "b", "x".repeat(100))]));
    for (const append of refused) await assert.rejects(append, full);
    assert.deepEqual(told, [[1, 1, undefined]]);
    await store.close();
  });

  it("is not found after a loss of power, whatever first part of what was not synced is left", async () => {
    for (let kept = 0; kept <= 8; kept++) {
      const { disk, store } = await newLog();
      disk.freeBytes = 250;
      // The first of them had room, whole.
      await assert.rejects(store.append([2, 3, 4, 5].map((seq) => put(1, seq, "b", "x".repeat(50)))), full);
      let asked = 0;
      disk.crash(() => (asked++ < kept ? 1 : 0));
      disk.freeBytes = 1e6;
      const again = await openOn(disk);
      assert.equal(again.last.seq, 1, `with the first ${kept} changes`);
      await again.close();
    }
  });

  it("that begins an epoch takes its epoch back, but not the promise to follow it", async () => {
    const { disk, store } = await newLog();
    disk.freeBytes = 0;
    await assert.rejects(store.append([epochRecord(5, 2)]), full);
    assert.deepEqual(store.epochs, [{ epoch: 1, firstSeq: 1 }]);
    assert.deepEqual(store.last, { epoch: 1, seq: 1 });
    assert.equal(store.promisedEpoch, 5);
    disk.freeBytes = 1000;
    await store.append([epochRecord(5, 2)]);
    assert.deepEqual(store.last, { epoch: 5, seq: 2 });
    await store.close();
  });

  it("stops the process when what was written of it cannot be cut off for good", async () => {
    const { disk, fatal, store } = await newLog();
    disk.freeBytes = 10;
    disk.intercept = ({ kind, path }) => {
      if (kind === "datasync") throw systemError("EIO", path);
    };
    await assert.rejects(store.append([put(1, 2, "b", "x".repeat(100))]), { code: "failed" });
    assert.equal(fatal.length, 1);
    await store.close();
  });

  it("is refused also when the store is closed meanwhile, which ends", { timeout: 5000 }, async () => {
    const { disk, store } = await newLog();
    const failing = Promise.withResolvers<void>();
    disk.intercept = async ({ kind, path }) => {
      if (kind !== "write") return;
      await failing.promise;
      throw systemError("ENOSPC", path);
    };
    const refused = assert.rejects(store.append([put(1, 2, "b", "2")]), full);
    const closed = store.close();
    await new Promise((resolve) => setImmediate(resolve));
    failing.resolve();
    await refused;
    await closed;
  });

  it("while the sync says so stops the process: nobody knows what is on the disk", async () => {
    const { disk, fatal, store } = await newLog();
    disk.intercept = ({ kind, path }) => {
      if (kind === "datasync") throw systemError("ENOSPC", path);
    };
    await assert.rejects(store.append([put(1, 2, "b", "2")]), { code: "failed" });
    assert.equal(fatal.length, 1);
    await store.close();
  });
});

it("a promise that there is no room for is refused, and written with whatever has room first", async () => {
  const { disk, store, options } = await newLog();
  disk.freeBytes = 0;
  await assert.rejects(store.promise(7), full);
  disk.freeBytes = 1000;
  await store.append([put(1, 2, "b", "2")]);
  await store.promise(7);
  disk.crash(() => 0);
  const again = await openOn(disk, options);
  assert.equal(again.promisedEpoch, 7);
  assert.equal(again.last.seq, 2);
  await again.close();
});

it("an end that cannot be cut off for want of room stays, and can be cut off later", async () => {
  const { disk, fatal, store } = await newLog(someRecords(60));
  const { fileBytes } = store;
  await store.append([put(3, 61, "x", "1"), put(3, 62, "y", "1")]);
  disk.freeBytes = fileBytes / 2;
  await assert.rejects(store.truncate(60), full);
  assert.equal(store.last.seq, 62);
  assert.deepEqual(
    disk.paths().filter((path) => path === rbfile || path.includes(".cut-")),
    [],
  );
  disk.freeBytes = 2 * fileBytes;
  await store.truncate(60);
  assert.equal(store.last.seq, 60);
  assert.deepEqual(await contentsOf(store), contentsAfter(someRecords(60)));
  assert.equal(fatal.length, 0);
  await store.close();
});

it("a copy that there is no room for is forgotten", async () => {
  const { disk, fatal, store } = await newLog();
  const copy = await store.beginSnapshot({
    base: { epoch: 1, seq: 5 },
    epochs: [{ epoch: 1, firstSeq: 1 }],
    requestsAfter: 0,
  });
  await copy.write([put(1, 4, "b", "2")]);
  disk.freeBytes = 10;
  await assert.rejects(copy.finish(), full);
  assert.equal(disk.contents(rbfile), undefined);
  disk.freeBytes = 1000;
  await store.append([put(1, 2, "c", "3")]);
  assert.equal(fatal.length, 0);
  await store.close();
});

describe("compaction on a full disk", () => {
  const value = "x".repeat(100_000);
  const overwritten = Array.from({ length: 10 }, (_, index) => put(1, index + 1, "a", `${index} ${value}`));

  it("gives its room to writes", async () => {
    const { disk, fatal, store } = await newLog(overwritten);
    const written = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    disk.intercept = async ({ kind, path }) => {
      if (kind !== "datasync" || path !== rbfile) return;
      written.resolve();
      await goOn.promise;
    };
    disk.freeBytes = 150_000;
    const compacted = store.compact();
    await written.promise;
    const appended = store.append([put(1, 11, "b", value)]);
    goOn.resolve();
    await appended;
    await compacted.catch(() => {});
    assert.equal(disk.contents(rbfile), undefined);
    assert.equal(fatal.length, 0);
    await store.close();
  });

  it("begins by itself when there is garbage, and makes room", async () => {
    const { disk, fatal, store } = await newLog(overwritten.slice(0, 5));
    // Enough for what is live, and too little for what is to come.
    disk.freeBytes = 150_000;
    let refusals = 0;
    for (let seq = 6; seq <= 7; ) {
      await store.append([put(1, seq, "a", value + value)]).then(
        () => store.commit(seq++),
        (error: unknown) => {
          assert.equal((error as { code?: string }).code, "full");
          assert.ok(++refusals < 1000, "no room after a thousand attempts");
        },
      );
      // What runs beside has its turn.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(refusals > 0);
    assert.equal(fatal.length, 0);
    assert.equal(text((await store.get("a"))?.value), value + value);
    await store.close();
  });

  it("that has begun because there is no room is not given up for a write that finds none either", async () => {
    const { disk, fatal, store } = await newLog(overwritten.slice(0, 5));
    const { fileBytes } = store;
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    // As under a limit of the length of a file: a shorter one can be written.
    disk.intercept = async ({ kind, path }) => {
      const isLong = (disk.contents(dbfile)?.length ?? 0) >= fileBytes;
      if (kind === "write" && path === dbfile && isLong) throw systemError("EFBIG", path);
      if (kind !== "datasync" || path !== rbfile) return;
      begun.resolve();
      await goOn.promise;
    };
    await assert.rejects(store.append([put(1, 6, "b", "1")]), full);
    await begun.promise;
    const joined = store.compact();
    const again = assert.rejects(store.append([put(1, 6, "b", "2")]), full);
    // A write that is given up room waits for the end of the compaction: not so this one.
    await again;
    goOn.resolve();
    await joined;
    assert.ok(store.fileBytes < fileBytes / 2);
    await store.append([put(1, 6, "b", "3")]);
    assert.equal(fatal.length, 0);
    await store.close();
  });

  it("that finds no room leaves the log as it is, and refuses no write for it", async () => {
    const { disk, fatal, log, store } = await newLog(overwritten.slice(0, 5));
    const before = disk.contents(dbfile);
    disk.freeBytes = 50_000;
    await assert.rejects(store.compact(), full);
    assert.equal(disk.contents(rbfile), undefined);
    assert.deepEqual(disk.contents(dbfile), before);
    await store.append([put(1, 6, "b", "small")]);
    assert.equal(fatal.length, 0);
    assert.deepEqual(log, []);
    await store.close();
  });
});
