import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import { put } from "../../support/log-fixtures.ts";
import { eventsOf, stepOf, watchedLog } from "./watched-log.ts";

/** What watches of one group tell when keys change hands. */

function copyOf(seq: number, key: string, revision: number): LogRecord {
  return { ...put(1, seq, key, "copied"), move: { kind: "copy", revision } };
}

function accept(seq: number, change: number, revision: number): LogRecord {
  const ahead = revision;
  const move = { kind: "accept", change, from: "g", revision, ahead, requestsAfter: 0 } as const;
  return { epoch: 1, seq, changes: [], move };
}

function release(seq: number, change: number): LogRecord {
  return { epoch: 1, seq, changes: [], move: { kind: "release", change, to: "h" } };
}

test("copies are no events; that keys are accepted is told between what came before and what comes after", async () => {
  const { write, watch } = await watchedLog();
  const watching = watch();
  await stepOf(watching);
  const before = stepOf(watching);
  await write(put(1, 1, "own", "1"));
  assert.equal((await before).events.length, 1);
  const progress = stepOf(watching);
  await write(copyOf(2, "a", 90), copyOf(3, "b", 91), accept(4, 7, 100));
  assert.deepEqual([(await progress).events, (await progress).at.seq], [[], 3]);
  const { mark, events, at, revision } = await stepOf(watching);
  assert.deepEqual([mark?.kind, events, at.seq, revision], ["accept", [], 4, 104]);
  const next = eventsOf(watching, 2);
  await write(put(1, 5, "a", "2"), put(1, 6, "own", "3"));
  assert.deepEqual(await next, ["105 put a 2", "106 put own 3"]);
});

test("a watch learns how far it has come before it learns that keys are accepted, which its reader may have to hold", async () => {
  const { write, watch } = await watchedLog();
  await write(put(1, 1, "other", "1"), put(1, 2, "other", "2"), accept(3, 7, 10));
  const watching = watch({ scope: { kind: "key", key: "own" }, after: { epoch: 0, revision: 0 } });
  const told: unknown[] = [];
  for (let steps = 0; steps < 3; steps++) {
    const { at, mark, isCurrent } = await stepOf(watching);
    told.push([at.seq, mark?.kind, isCurrent]);
  }
  assert.deepEqual(told, [
    [0, undefined, undefined],
    [2, undefined, false],
    [3, "accept", undefined],
  ]);
});

test("a watch that reads the log finds the marks where they are", async () => {
  const { write, watch } = await watchedLog();
  await write(put(1, 1, "a", "1"), copyOf(2, "b", 9), accept(3, 7, 10), put(1, 4, "b", "2"), release(5, 8));
  await write(put(1, 6, "a", "3"));
  const watching = watch({ after: { epoch: 0, revision: 0 } });
  await stepOf(watching);
  const told: string[] = [];
  for (let steps = 0; steps < 5; steps++) {
    const { events, mark } = await stepOf(watching);
    told.push(
      ...events.map(({ change, revision }) => `${revision} ${change.key}`),
      ...(mark ? [mark.kind] : []),
    );
  }
  assert.deepEqual(told, ["1 a", "accept", "14 b", "release", "16 a"]);
});

test("a watch of a key that nothing was told to for long does not lose its place at a mark", async () => {
  const { store, clock, write, watch } = await watchedLog({ historyBytes: 0 });
  const watching = watch({ scope: { kind: "key", key: "quiet" } });
  await stepOf(watching);
  const marked = stepOf(watching);
  for (let seq = 1; seq <= 50; seq++) await write(put(1, seq, "busy", "x".repeat(1000)));
  await clock.settled(store.compact());
  await write(release(51, 7));
  assert.equal((await marked).mark?.kind, "release");
});

test("a watch that is about to learn how far it has come finds a mark that becomes visible meanwhile", async () => {
  const { store, hub, watch, failures } = await watchedLog();
  const watching = watch({ scope: { kind: "key", key: "quiet" } });
  await stepOf(watching);
  const next = stepOf(watching);
  await store.append([put(1, 1, "other", "1"), release(2, 7)]);
  hub.tellProgress();
  await Promise.resolve();
  store.commit(2);
  const told = [await next];
  while (told.at(-1)?.mark === undefined) told.push(await stepOf(watching));
  assert.deepEqual([told.at(-1)?.at.seq, failures], [2, []]);
});

test("a watch can begin before the first accept of a change or a later one", async () => {
  const { write, watch } = await watchedLog();
  await write(
    put(1, 1, "old", "1"),
    accept(2, 5, 10),
    put(1, 3, "a", "2"),
    accept(4, 8, 20),
    put(1, 5, "a", "3"),
  );
  const marksAfter = async (change: number, count: number) => {
    const watching = watch({ after: { change } });
    const first = await stepOf(watching);
    const told = [first.at.seq];
    while (told.length <= count) told.push((await stepOf(watching)).at.seq);
    return told;
  };
  assert.deepEqual(await marksAfter(1, 2), [1, 2, 3]);
  assert.deepEqual(await marksAfter(5, 2), [1, 2, 3]);
  assert.deepEqual(await marksAfter(6, 2), [3, 4, 5]);
  // Keys of a later change come later.
  assert.deepEqual(await marksAfter(9, 0), [5]);
});

test("a group that was never part of a move is told from the beginning, and history that is gone is said to be", async () => {
  const { store, clock, write, watch } = await watchedLog({ historyBytes: 0 });
  await write(put(1, 1, "a", "1"));
  assert.equal((await stepOf(watch({ after: { change: 3 } }))).at.seq, 0);
  for (let seq = 2; seq <= 50; seq++) await write(put(1, seq, "a", "x".repeat(1000)));
  await write(accept(51, 7, 10));
  for (let seq = 52; seq <= 100; seq++) await write(put(1, seq, "a", "x".repeat(1000)));
  await clock.settled(store.compact());
  await assert.rejects(stepOf(watch({ after: { change: 7 } })), { code: "history-lost" });
});

test("a watch from now on is told first each time that keys came from a group in the changes that its reader does not know", async () => {
  const { write, watch } = await watchedLog();
  await write(accept(1, 5, 10), put(1, 2, "a", "1"), accept(3, 8, 20), put(1, 4, "a", "2"));
  const acceptedSince = async (change: number) => {
    const { events, at, accepted } = await stepOf(watch({ after: { acceptedSince: change } }));
    assert.deepEqual([events, at.seq], [[], 4]);
    return accepted?.map((keys) => [keys.from, keys.revision, keys.after]);
  };
  assert.deepEqual(await acceptedSince(5), [
    ["g", 10, 0],
    ["g", 20, 12],
  ]);
  assert.deepEqual(await acceptedSince(6), [["g", 20, 12]]);
  assert.deepEqual(await acceptedSince(9), []);
});

test("a watch after a revision is told first what was accepted before that", async () => {
  const { write, watch } = await watchedLog();
  await write(accept(1, 5, 10), put(1, 2, "a", "1"), accept(3, 8, 20), put(1, 4, "a", "2"));
  const acceptedBefore = async (revision: number) => {
    const { accepted } = await stepOf(watch({ after: { epoch: 0, revision } }));
    return accepted?.map((keys) => [keys.from, keys.revision, keys.change, keys.after]);
  };
  assert.deepEqual(await acceptedBefore(24), [["g", 20, 8, 12]]);
  assert.deepEqual(await acceptedBefore(12), [["g", 10, 5, 0]]);
  assert.deepEqual(await acceptedBefore(0), []);
});

test("a group that has given keys away and got none is told from the beginning: it entered before the first write", async () => {
  const { write, watch } = await watchedLog();
  await write(put(1, 1, "a", "1"), release(2, 4), put(1, 3, "a", "2"));
  assert.equal((await stepOf(watch({ after: { change: 2 } }))).at.seq, 0);
  // One that had given its keys away before is told from now on.
  assert.equal((await stepOf(watch({ after: { change: 5 } }))).at.seq, 3);
  // So is one that the key of a watch has nothing to do with.
  const ofKey = watch({ scope: { kind: "key", key: "b" }, after: { change: 2 } });
  assert.equal((await stepOf(ofKey)).at.seq, 3);
});
