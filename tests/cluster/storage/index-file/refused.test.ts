// runtimes: bun
// Thousands of logs are opened, on a simulated disk: the log's own code decides, and nothing of a runtime. On every
// runtime index files are written and used by the tests beside this.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatChecksum } from "../../../../src/cluster/storage/format/numbers.ts";
import { extendChecksum } from "../../../../src/cluster/storage/format/running-checksum.ts";
import {
  addTo,
  indexDraft,
  indexedLog,
  indexFile,
  opened,
  openedWhole,
  openIndexed,
} from "../../../support/indexed-log.ts";
import { allKindsOfRecords, dbfile, deletion, openOn, put } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

const records = allKindsOfRecords(30, 6);

/** Checks that what the log says is served, and that the index file was refused, and why. */
async function checkRefused(disk: SimulatedDisk, reason: RegExp, whole?: object): Promise<void> {
  const { facts, refusals } = await opened(disk);
  assert.match(refusals.join(), reason);
  assert.deepEqual(facts, whole ?? (await openedWhole(disk)));
}

/** Checks that what the log says is served, index file or not. */
async function checkServed(disk: SimulatedDisk): Promise<boolean> {
  const { facts, isUsed } = await opened(disk);
  assert.deepEqual(facts, await openedWhole(disk));
  return isUsed;
}

/** An index file of these frames, with good checksums. */
function framesOf(...frames: (readonly [kind: number, content: string])[]): Buffer {
  let file = Buffer.from("!kvlab-index 2\n");
  for (const [kind, content] of frames) {
    const head = Buffer.from([kind, content.length, 0, 0, 0]);
    file = Buffer.concat([file, head, Buffer.from(content), Buffer.alloc(4)]);
    file.writeUInt32LE(extendChecksum(0, file.subarray(0, -4)), file.length - 4);
  }
  return file;
}

function contents(disk: SimulatedDisk, path: string): Buffer {
  return disk.contents(path) ?? assert.fail(`${path} is not there`);
}

describe("an index file is refused, and the log is what is served, when the index file", () => {
  it("is cut anywhere", async () => {
    const disk = await indexedLog(records);
    const whole = contents(disk, indexFile);
    const served = await openedWhole(disk);
    for (let bytes = 0; bytes < whole.length; bytes++) {
      disk.place(indexFile, whole.subarray(0, bytes));
      await checkRefused(disk, /it (ends within a frame|has no end|does not begin as)/, served);
    }
  });

  it("has another byte anywhere", async () => {
    const disk = await indexedLog(records);
    const whole = contents(disk, indexFile);
    const served = await openedWhole(disk);
    for (const mask of [0x01, 0x80]) {
      for (let offset = 0; offset < whole.length; offset++) {
        disk.place(indexFile, whole);
        disk.flip(indexFile, offset, mask);
        await checkRefused(disk, /is not used/, served);
      }
    }
  });

  it("goes on behind its end, lacks a frame, or has one twice", async () => {
    const disk = await indexedLog(records);
    const whole = contents(disk, indexFile);
    disk.place(indexFile, Buffer.concat([whole, whole]));
    await checkRefused(disk, /checksum does not match|ends within|behind its end/);
    disk.place(indexFile, Buffer.concat([whole, Buffer.alloc(4096)]));
    await checkRefused(disk, /checksum does not match/);
    const line = whole.indexOf("\n") + 1;
    const firstFrame = line + 9 + whole.readUInt32LE(line + 1);
    disk.place(indexFile, Buffer.concat([whole.subarray(0, line), whole.subarray(firstFrame)]));
    await checkRefused(disk, /checksum does not match/);
    disk.place(indexFile, Buffer.concat([whole.subarray(0, firstFrame), whole.subarray(line)]));
    await checkRefused(disk, /checksum does not match/);
  });

  it("is empty, or all zeros, as a power loss leaves what was not synced (Kafka)", async () => {
    const disk = await indexedLog(records);
    const { length } = contents(disk, indexFile);
    for (const bytes of [0, 1, length, 10 * length]) {
      disk.place(indexFile, Buffer.alloc(bytes));
      await checkRefused(disk, /it does not begin as an index file/);
    }
  });

  it("is of a later version, or has a kind of frame that is not known (Prometheus)", async () => {
    const disk = await indexedLog(records);
    const whole = contents(disk, indexFile);
    disk.place(indexFile, Buffer.from(whole.toString("latin1").replace("-index 2", "-index 3"), "latin1"));
    await checkRefused(disk, /it does not begin as an index file of this version/);
    disk.place(indexFile, framesOf([9, "{}"]));
    await checkRefused(disk, /it has a frame of an unknown kind, 9/);
    disk.place(indexFile, framesOf([5, "{}"]));
    await checkRefused(disk, /it has no end/);
    disk.place(indexFile, framesOf([5, "{}"], [1, "{}"]));
    await checkRefused(disk, /something stands behind its end/);
    disk.place(indexFile, framesOf([1, "no JSON"]));
    await checkRefused(disk, /JSON/);
  });

  it("is of another log, with the same records or others", async () => {
    const disk = await indexedLog(records);
    for (const other of [records, records.slice(0, 20), allKindsOfRecords(30, 3)]) {
      disk.place(indexFile, contents(await indexedLog(other), indexFile));
      await checkRefused(disk, /the log is (another one|shorter)/);
    }
  });

  it("is from before a compaction (RocksDB: a manifest of files that are gone)", async () => {
    const disk = await indexedLog(records);
    const before = contents(disk, indexFile);
    const store = await openOn(disk);
    store.commit(30);
    await store.compact();
    await store.close();
    await checkRefused(disk, /it was made for another file/);
    disk.overwrite(indexFile, before);
    await checkRefused(disk, /it was made for another file/);
  });
});

describe("an index file is refused, and the log is what is served, when the log", () => {
  it("has another byte anywhere that the index file stands for", async () => {
    const disk = await indexedLog(records);
    const log = contents(disk, dbfile);
    for (let offset = 0; offset < log.length; offset++) {
      disk.overwrite(dbfile, log);
      disk.flip(dbfile, offset, 1 << (offset % 8));
      const [byIndex] = await Promise.allSettled([opened(disk)]);
      const [whole] = await Promise.allSettled([openedWhole(disk)]);
      assert.equal(byIndex.status, whole.status);
      if (byIndex.status === "rejected" || whole.status === "rejected") continue;
      assert.equal(byIndex.value.isUsed, false, `byte ${offset}`);
      assert.notEqual(whole.value.condition.kind, "intact");
      assert.deepEqual(byIndex.value.facts, whole.value);
    }
  });

  it("is cut anywhere, as a restored or torn one is (Prometheus: a snapshot ahead of its log)", async () => {
    const disk = await indexedLog(records.slice(0, 20));
    const log = contents(disk, dbfile);
    for (let bytes = 1; bytes < log.length; bytes++) {
      disk.overwrite(dbfile, log.subarray(0, bytes));
      const [byIndex] = await Promise.allSettled([opened(disk)]);
      disk.overwrite(dbfile, log.subarray(0, bytes));
      const [whole] = await Promise.allSettled([openedWhole(disk)]);
      assert.equal(byIndex.status, whole.status);
      if (byIndex.status === "rejected" || whole.status === "rejected") continue;
      assert.equal(byIndex.value.isUsed, false, `${bytes} bytes`);
      assert.deepEqual(byIndex.value.facts, whole.value);
    }
  });

  it("is of another time, by any number of records", async () => {
    const logs: Buffer[] = [];
    const indexes: Buffer[] = [];
    const disk = new SimulatedDisk();
    for (let count = 0; count <= 20; count++) {
      const store = await openIndexed(disk);
      if (count === 0) await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
      await addTo(store, records.slice(count, count + 1));
      await store.close();
      logs.push(contents(disk, dbfile));
      indexes.push(contents(disk, indexFile));
    }
    for (const [indexed, index] of indexes.entries()) {
      for (const [logged, log] of logs.entries()) {
        disk.overwrite(dbfile, log);
        disk.place(indexFile, index);
        const covers = index.equals(indexes[logged] ?? index) || indexed <= logged;
        assert.equal(await checkServed(disk), covers, `index of ${indexed}, log of ${logged}`);
      }
    }
  });

  it("was written over by one that goes on otherwise", async () => {
    const disk = await indexedLog(records.slice(0, 20));
    const log = contents(disk, dbfile);
    for (let kept = 1; kept < 20; kept++) {
      const other = await indexedLog([
        ...records.slice(0, kept),
        put(9, kept + 1, "other", "x".repeat(5000)),
      ]);
      const end = contents(other, dbfile);
      disk.overwrite(
        dbfile,
        Buffer.concat([log.subarray(0, log.indexOf("\n") + 1), end.subarray(end.indexOf("\n") + 1)]),
      );
      await checkRefused(disk, /the log is another one/);
    }
  });

  it("is gone, and another has begun (Bitcask: a hint file without its data)", async () => {
    const disk = await indexedLog(records);
    disk.take(dbfile);
    await checkRefused(disk, /it was made for another file/);
    assert.equal(contents(disk, dbfile).length, 0);
  });

  it("ends in an unfinished write, or in one of a later version", async () => {
    const disk = await indexedLog(records);
    const log = contents(disk, dbfile);
    disk.overwrite(dbfile, Buffer.concat([log, Buffer.from("YQ==\nMQ")]));
    const { facts, refusals } = await opened(disk);
    assert.match(refusals.join(), /the log is not intact: it is unfinished/);
    assert.equal(facts.condition.kind, "torn");
    const body = "!seal 7";
    const seal = `${body} ${formatChecksum(extendChecksum(0, Buffer.from(body)))}\n`;
    disk.overwrite(dbfile, Buffer.concat([log, Buffer.from(seal)]));
    await assert.rejects(opened(disk), /!seal 7: a later version/);
  });
});

describe("with an index file", () => {
  it("no deleted key comes back (Bitcask), and no delete is forgotten while the file is written", async () => {
    const disk = await indexedLog([put(1, 1, "a", "1"), put(1, 2, "b", "2"), put(1, 3, "c", "3")]);
    const store = await openOn(disk);
    await addTo(store, [deletion(1, 4, "a"), put(1, 5, "d", "4"), deletion(1, 6, "d")]);
    await store.close();
    assert.ok(await checkServed(disk));
    assert.deepEqual(
      (await opened(disk)).facts.contents.map(([key]) => key),
      ["b", "c"],
    );
  });

  it("a process that dies between any two steps leaves the old one, the new one, or none", async () => {
    for (let limit = 0; ; limit++) {
      const disk = await indexedLog(records.slice(0, 10));
      const before = contents(disk, indexFile);
      let count = 0;
      disk.intercept = ({ path }) => {
        if (path.startsWith(indexFile) && count++ === limit) disk.kill();
      };
      const store = await openIndexed(disk, { onFatal: () => {} }).catch(() => undefined);
      if (store !== undefined) {
        const ended = addTo(store, records.slice(10)).then(() => store.close());
        await ended.catch(() => {});
      }
      disk.intercept = undefined;
      const isOver = count <= limit;
      await checkServed(disk);
      if (!contents(disk, indexFile).equals(before)) assert.ok(await checkServed(disk));
      // What is left of it is no hindrance.
      const next = await openIndexed(disk);
      next.commit(next.last.seq);
      await addTo(next, [put(9, next.last.seq + 1, "more", "x".repeat(5000))]);
      await next.close();
      assert.equal(disk.contents(indexDraft), undefined);
      assert.ok(await checkServed(disk));
      if (isOver) break;
      assert.ok(limit < 500);
    }
  });
});
