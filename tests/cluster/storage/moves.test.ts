import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import type { LogRecord, MoveMark } from "../../../src/cluster/storage/model.ts";
import { MoveHistory } from "../../../src/cluster/storage/move-history.ts";
import { repairLog } from "../../../src/cluster/storage/tools/index.ts";
import { addTo, indexFile, openIndexed } from "../../support/indexed-log.ts";
import { dbfile, deleting, newLog, openOn, plain, put, putting, text } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

function copy(seq: number, key: string, value: string, revision: number, requestId?: string): LogRecord {
  const record = { epoch: 1, seq, changes: [putting(key, value)], move: { kind: "copy", revision } } as const;
  return requestId === undefined ? record : { ...record, requestId };
}

function accept(seq: number, more: Partial<Extract<MoveMark, { kind: "accept" }>> = {}): LogRecord {
  const mark = { change: 5, from: "source", revision: 900, ahead: 1000, requestsAfter: 0, ...more };
  return { epoch: 1, seq, changes: [], move: { kind: "accept", ...mark } };
}

function release(seq: number, to: string, change = 5): LogRecord {
  return { epoch: 1, seq, changes: [], move: { kind: "release", change, to } };
}

/** A group that has accepted two keys of another one, and has released keys to a third. */
const records: readonly LogRecord[] = [
  put(1, 1, "own", "1"),
  {
    epoch: 1,
    seq: 2,
    changes: [putting("copied", "2", { expiresMs: 9e12 })],
    move: { kind: "copy", revision: 850 },
  },
  copy(3, "copied too", "3", 900, "theirs"),
  accept(4),
  { ...put(1, 5, "own too", "5"), requestId: "ours" },
  { epoch: 1, seq: 6, changes: [deleting("released", { previous: 0 })], move: { kind: "forget" } },
  release(7, "third"),
  put(1, 8, "copied too", "8"),
];

/** What the log must say of these records, whatever has become of it. */
async function check(store: LogStore): Promise<void> {
  assert.deepEqual({ ...store.last }, { epoch: 1, seq: 8 });
  assert.deepEqual(store.moves, {
    change: 5,
    released: new Set(["third"]),
    accepted: new Map([["source", 900]]),
  });
  const revisions = { own: 1, copied: 850, "copied too": 1008, "own too": 1005 };
  const shown: Record<string, number | undefined> = {};
  for (const key of Object.keys(revisions)) shown[key] = store.pendingFacts(key)?.revision;
  assert.deepEqual(shown, revisions);
  for (const [key, revision] of Object.entries(revisions)) {
    assert.equal((await store.get(key))?.revision, revision);
  }
  const scan = store.openScan({});
  assert.deepEqual(
    Object.fromEntries(scan.nextKeys(10).map(({ key, revision }) => [key, revision])),
    revisions,
  );
  assert.deepEqual([scan.at.seq, scan.revision, store.lastRevision], [8, 1008, 1008]);
  await scan.close();
  assert.deepEqual(store.pendingFacts("copied"), { seq: 2, revision: 850, expiresMs: 9e12 });
  assert.deepEqual(store.requestOf("theirs"), { seq: 3, revision: 900 });
  assert.deepEqual(store.requestOf("ours"), { seq: 5, revision: 1005 });
  assert.deepEqual(
    [3, 4, 8].map((seq) => store.revisionOf(seq)),
    [3, 1004, 1008],
  );
  assert.deepEqual(
    [3, 4, 1003, 1004, 1009].map((revision) => store.seqAt(revision)),
    [3, 3, 3, 4, 9],
  );
}

async function written() {
  const log = await newLog();
  await log.store.append(records);
  log.store.commit(8);
  return log;
}

describe("what a log says of moves and revisions", () => {
  it("is said at once, and by the next process", async () => {
    const { disk, store } = await written();
    await check(store);
    assert.deepEqual(plain(await store.read(0, 1e6)), plain(records));
    await store.close();
    const again = await openOn(disk);
    await check(again);
    assert.deepEqual(plain(await again.read(0, 1e6)), plain(records));
    await again.close();
  });

  it("is said before it is visible", async () => {
    const { store } = await newLog();
    const appended = store.append(records.slice(0, 4));
    assert.equal(store.pendingFacts("copied")?.revision, 850);
    assert.deepEqual([store.lastRevision, store.moves.change], [1004, 5]);
    await appended;
    assert.equal(await store.get("copied"), undefined);
    await store.close();
  });

  it("stays over compactions, which leave out the records that say it", async () => {
    const { disk, store } = await written();
    await store.compact();
    await check(store);
    assert.ok(!/kind=(accept|release)/.test(disk.contents(dbfile)?.toString() ?? ""));
    await store.close();
    const again = await openOn(disk);
    await check(again);
    await addTo(again, [put(1, 9, "other", "9")]);
    await again.compact();
    assert.equal(again.pendingFacts("other")?.revision, 1009);
    assert.equal(again.pendingFacts("own too")?.revision, 1005);
    await again.close();
  });

  it("goes to another log with a snapshot", async () => {
    for (const isCompacted of [false, true]) {
      const { store } = await written();
      if (isCompacted) await store.compact();
      const { disk, store: target } = await newLog();
      const reader = await store.openSnapshot();
      const writer = await target.beginSnapshot(reader);
      for (let part = await reader.next(50); part.length > 0; part = await reader.next(50)) {
        await writer.write(part);
      }
      await writer.finish();
      await reader.close();
      await store.close();
      await check(target);
      await target.close();
      const again = await openOn(disk);
      await check(again);
      await again.close();
    }
  });

  it("is in the index file", async () => {
    const disk = new SimulatedDisk();
    const store = await openIndexed(disk);
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    await addTo(store, records.slice(0, 6));
    await store.close();
    const messages: string[] = [];
    const again = await openIndexed(disk, { log: (message) => messages.push(message) });
    await addTo(again, records.slice(6));
    await check(again);
    // What was committed is not known to the next process, so that this may be cut off again.
    disk.crash(() => 0);
    const last = await openIndexed(disk, { log: (message) => messages.push(message) });
    await check(last);
    assert.ok(disk.contents(indexFile));
    assert.deepEqual(messages, []);
    await last.truncate(3);
    assert.deepEqual([last.lastRevision, last.moves.change, last.moves.accepted.size], [3, 0, 0]);
    assert.equal(last.pendingFacts("copied")?.revision, 850);
    await last.close();
  });

  it("goes back with the records that are cut off, on disk or not", async () => {
    const { disk, store } = await newLog();
    await store.append(records);
    const isBack = () => {
      assert.deepEqual([store.lastRevision, store.moves.change], [3, 0]);
      assert.deepEqual(store.pendingFacts("copied too"), { seq: 3, revision: 900, expiresMs: undefined });
    };
    await store.truncate(3);
    isBack();
    const cut = disk.contents(`${dbfile}.cut-1`)?.toString() ?? "";
    assert.match(cut, /kind=accept change=5 group=source rev=900 ahead=1000 requests=0/);
    disk.freeBytes = 0;
    await assert.rejects(store.append(records.slice(3)), { code: "full" });
    isBack();
    disk.freeBytes = Number.MAX_SAFE_INTEGER;
    await store.append(records.slice(3));
    store.commit(8);
    await check(store);
    await store.close();
  });

  it("is known to what is cut off after it", async () => {
    const { disk, store } = await written();
    await store.append([put(1, 9, "later", "9")]);
    await store.truncate(8);
    await store.close();
    const cut = new SimulatedDisk();
    cut.place(dbfile, disk.contents(`${dbfile}.cut-1`) ?? Buffer.alloc(0));
    const kept = await openOn(cut);
    assert.deepEqual([kept.pendingFacts("later")?.revision, kept.moves.change], [1009, 5]);
    await kept.close();
  });

  it("stays when the log is repaired", async () => {
    const { disk, store } = await written();
    await store.close();
    const at = disk.contents(dbfile)?.indexOf("# 1.2 ") ?? 0;
    disk.flip(dbfile, at, 1);
    await repairLog(disk, dbfile);
    const again = await openOn(disk);
    assert.deepEqual([again.lastRevision, again.moves.accepted.get("source")], [1008, 900]);
    assert.deepEqual([again.pendingFacts("own too")?.revision, again.requestsAfter], [1005, 1008]);
    await again.close();
  });
});

describe("a copy", () => {
  it("that is written over, and a key that is deleted and put again, have own revisions", async () => {
    const { store } = await newLog();
    await addTo(store, [
      copy(1, "a", "1", 50),
      copy(2, "b", "2", 51),
      put(1, 3, "a", "3"),
      { epoch: 1, seq: 4, changes: [deleting("b")], move: { kind: "copy", revision: 52 } },
      put(1, 5, "b", "5"),
      { epoch: 1, seq: 6, changes: [deleting("b")], move: { kind: "forget" } },
      copy(7, "b", "7", 60),
    ]);
    assert.deepEqual([(await store.get("a"))?.revision, (await store.get("b"))?.revision], [3, 60]);
    await store.close();
  });

  it("can be read later, with its revision", async () => {
    const { store } = await newLog();
    await addTo(store, [copy(1, "a", "1", 50)]);
    const later = store.valueLater("a");
    assert.deepEqual([later?.seq, later?.revision], [1, 50]);
    await addTo(store, [put(1, 2, "a", "2")]);
    const value = await later?.read();
    assert.deepEqual([text(value?.value), value?.revision], ["1", 50]);
    await store.close();
  });
});

describe("the moves of a log", () => {
  it("are those of the highest ring change alone", async () => {
    const { store } = await newLog();
    await store.append([release(1, "a", 4), release(2, "b", 4), accept(3, { change: 4, ahead: 1000 })]);
    assert.deepEqual([...store.moves.released], ["a", "b"]);
    await store.append([release(4, "c", 6)]);
    await store.append([accept(5, { change: 5 }), release(6, "d", 5)]);
    assert.deepEqual(store.moves, { change: 6, released: new Set(["c"]), accepted: new Map() });
    // Revisions have gone on with every accept, of whatever change.
    assert.equal(store.lastRevision, 1006);
    await store.truncate(3);
    assert.deepEqual([store.moves.change, store.moves.accepted.get("source")], [4, 900]);
    await store.close();
  });
});

describe("own revisions", () => {
  it("rise with the records, and lead back to them", () => {
    const jump = fc.record({ gap: fc.integer({ min: 1, max: 5 }), ahead: fc.integer({ min: 0, max: 30 }) });
    fc.assert(
      fc.property(fc.array(jump, { maxLength: 6 }), (jumps) => {
        let history = MoveHistory.none;
        let seq = 0;
        for (const { gap, ahead } of jumps) {
          seq += gap;
          const { move } = accept(seq, { ahead });
          history = history.with({ seq, move });
        }
        const end = seq + 10;
        for (let at = 1; at <= end; at++) assert.ok(history.revisionOf(at) > history.revisionOf(at - 1));
        for (let revision = 0; revision <= history.revisionOf(end); revision++) {
          const found = history.seqAt(revision);
          assert.ok(history.revisionOf(found) <= revision && history.revisionOf(found + 1) > revision);
        }
        const again = MoveHistory.fromJson(JSON.parse(JSON.stringify(history)));
        assert.equal(again.revisionOf(end), history.revisionOf(end));
      }),
    );
  });
});

describe("the request of a copy", () => {
  it("counts as forgotten with the accept, so that the group's own requests go on until then", async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk, { requestsMax: 2 });
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    await addTo(store, [
      copy(1, "a", "1", 500, "a"),
      copy(2, "b", "2", 501, "b"),
      copy(3, "c", "3", 502, "c"),
    ]);
    assert.deepEqual([store.requestOf("a"), store.requestOf("b")], [undefined, { seq: 2, revision: 501 }]);
    assert.equal(store.requestsAfter, 1);
    await store.compact();
    await store.close();
    const again = await openOn(disk, { requestsMax: 2 });
    assert.deepEqual([again.requestsAfter, again.requestOf("b")?.revision], [1, 501]);
    await addTo(again, [accept(4, { revision: 502, ahead: 600, requestsAfter: 7 })]);
    assert.equal(again.requestsAfter, 500);
    // One that is forgotten later counts at once.
    await addTo(again, [{ ...put(1, 5, "d", "4"), requestId: "d" }]);
    assert.deepEqual(
      [again.requestsAfter, again.requestOf("b"), again.requestOf("c")?.seq],
      [501, undefined, 3],
    );
    await addTo(again, [
      { ...put(1, 6, "e", "5"), requestId: "e" },
      { ...put(1, 7, "f", "6"), requestId: "f" },
    ]);
    assert.equal(again.requestsAfter, 605);
    await again.compact();
    await again.close();
    const last = await openOn(disk, { requestsMax: 2 });
    assert.deepEqual([last.requestsAfter, last.requestOf("f")], [605, { seq: 7, revision: 607 }]);
    await last.close();
  });

  it("is what the other group has forgotten, too; a cut takes that back", async () => {
    const { store } = await newLog();
    await store.append([put(1, 1, "a", "1"), accept(2, { requestsAfter: 800 })]);
    assert.equal(store.requestsAfter, 800);
    await store.truncate(1);
    assert.ok(store.requestsAfter <= 1);
    await store.append([accept(2, { requestsAfter: 700 })]);
    store.commit(2);
    await store.compact();
    assert.equal(store.requestsAfter, 700);
    await store.close();
  });
});
