import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import { queueBytesMax } from "../../../src/cluster/watch/watcher.ts";
import { deletion, put } from "../../support/log-fixtures.ts";
import { eventsOf, stepOf, watchedLog } from "./watched-log.ts";

test("a watch from now on tells its position at once, and then every change in order", async () => {
  const { write, watch } = await watchedLog();
  await write(put(1, 1, "a", "old"));
  const watching = watch();
  const first = { events: [], at: { epoch: 1, seq: 1 }, revision: 1, lastRevision: 1 };
  assert.deepEqual(await stepOf(watching), first);
  const next = eventsOf(watching, 3);
  await write(put(1, 2, "b", "1"), deletion(1, 3, "a"));
  await write(put(1, 4, "b", "2"));
  assert.deepEqual(await next, ["2 put b 1", "3 delete a", "4 put b 2"]);
});

test("what is not committed is told to nobody", async () => {
  const { store, watch } = await watchedLog();
  const watching = watch();
  await stepOf(watching);
  await store.append([put(1, 1, "a", "1"), put(1, 2, "a", "2")]);
  const next = eventsOf(watching, 1);
  store.commit(1);
  assert.deepEqual(await next, ["1 put a 1"]);
});

test("a watch of a key or a prefix tells of nothing else", async () => {
  const { write, watch } = await watchedLog();
  const key = watch({ scope: { kind: "key", key: "ab" } });
  const prefix = watch({ scope: { kind: "prefix", prefix: "ab" } });
  await Promise.all([stepOf(key), stepOf(prefix)]);
  const next = Promise.all([eventsOf(key, 1), eventsOf(prefix, 2)]);
  await write(put(1, 1, "a", "1"), put(1, 2, "abc", "2"), put(1, 3, "ab", "3"), put(1, 4, "b", "4"));
  assert.deepEqual(await next, [["3 put ab 3"], ["2 put abc 2", "3 put ab 3"]]);
});

test("a watch after a revision tells first what the log has, then what comes, without a gap", async () => {
  const { write, watch } = await watchedLog();
  await write(put(1, 1, "a", "1"), put(1, 2, "a", "2"), put(1, 3, "a", "3"));
  const watching = watch({ after: { epoch: 1, revision: 1 } });
  await stepOf(watching);
  const next = eventsOf(watching, 4);
  await write(put(1, 4, "a", "4"));
  await write(put(1, 5, "a", "5"));
  assert.deepEqual(await next, ["2 put a 2", "3 put a 3", "4 put a 4", "5 put a 5"]);
});

test("a watch is told first how far the group had come when it began", async () => {
  const { write, watch } = await watchedLog();
  await write(put(1, 1, "a", "1"), put(1, 2, "a", "2"), put(1, 3, "a", "3"));
  const watching = watch({ after: { epoch: 1, revision: 1 } });
  const { revision, lastRevision } = await stepOf(watching);
  assert.deepEqual([revision, lastRevision], [1, 3]);
  assert.equal((await stepOf(watching)).lastRevision, undefined);
});

test("the changes of a batch come together", async () => {
  const { write, watch } = await watchedLog();
  const watching = watch();
  await stepOf(watching);
  const changes = ["a", "b"].flatMap((key) => put(1, 1, key, "1").changes);
  const next = stepOf(watching);
  await write({ epoch: 1, seq: 1, changes });
  const { events: told, at } = await next;
  assert.deepEqual(
    told.map(({ change, revision }) => [change.key, revision]),
    [
      ["a", 1],
      ["b", 1],
    ],
  );
  assert.deepEqual(at, { epoch: 1, seq: 1 });
});

test("previous values are told, live and from the log; a compacted one is said to be lost", async () => {
  const { store, write, watch } = await watchedLog({ historyBytes: 0 });
  const over = (seq: number, value: string, previous: number): LogRecord => ({
    epoch: 1,
    seq,
    changes: put(1, seq, "a", value).changes.map((change) => ({ ...change, previous })),
  });
  await write(over(1, "1", 0), over(2, "2", 1));
  const late = watch({ after: { epoch: 1, revision: 0 }, previous: true });
  assert.deepEqual(await eventsOf(late, 2), ["1 put a 1", "2 put a 2 was 1"]);
  const next = eventsOf(late, 1);
  await store.compact();
  await write(over(3, "3", 2));
  assert.deepEqual(await next, ["3 put a 3 was 2"]);
  assert.deepEqual(await eventsOf(watch({ after: { epoch: 1, revision: 2 }, previous: true }), 1), [
    "3 put a 3 was lost",
  ]);
});

test("a watch from before what the log has, or of another history, is refused with the oldest revision", async () => {
  const { store, write, watch } = await watchedLog({ historyBytes: 0 });
  await write(put(1, 1, "a", "1"), put(1, 2, "a", "2"));
  await store.compact();
  await write(put(4, 3, "a", "3"));
  const refused = { name: "OperationError", code: "history-lost", revision: 2 };
  await assert.rejects(stepOf(watch({ after: { epoch: 0, revision: 1 } })), refused);
  await assert.rejects(stepOf(watch({ after: { epoch: 0, revision: 4 } })), refused);
  await assert.rejects(stepOf(watch({ after: { epoch: 3, revision: 3 } })), refused);
  await stepOf(watch({ after: { epoch: 4, revision: 3 } }));
});

test("a watcher so slow that compaction has passed it is told so, not left with a gap", async () => {
  const { clock, store, write, watch } = await watchedLog({ historyBytes: 0 });
  const slow = watch();
  await stepOf(slow);
  const large = "x".repeat(queueBytesMax / 2);
  const first = stepOf(slow);
  for (let seq = 1; seq <= 10; seq++) await write(put(1, seq, "a", large));
  const told = (await first).at.seq;
  await clock.settled(store.compact());
  assert.ok(told < store.base.seq);
  await assert.rejects(
    async () => {
      for (;;) await stepOf(slow);
    },
    { code: "history-lost", revision: store.base.seq },
  );
});

test("a watcher that is told nothing learns from time to time how far it has come", async () => {
  const { clock, write, watch } = await watchedLog();
  const watching = watch({ scope: { kind: "key", key: "a" } });
  await stepOf(watching);
  const next = stepOf(watching);
  await write(put(1, 1, "b", "1"), put(1, 2, "b", "2"));
  assert.deepEqual(await clock.settled(next), {
    events: [],
    at: { epoch: 1, seq: 2 },
    revision: 2,
    isCurrent: true,
  });
});

test("a watcher that has read the log learns how far it has come, also when nothing there was in its scope", async () => {
  const { write, watch } = await watchedLog();
  await write(put(1, 1, "b", "1"), put(1, 2, "b", "2"));
  const watching = watch({ scope: { kind: "key", key: "a" }, after: { epoch: 1, revision: 1 } });
  assert.equal((await stepOf(watching)).revision, 1);
  const { events, revision, isCurrent } = await stepOf(watching);
  assert.deepEqual([events, revision, isCurrent], [[], 2, true]);
});

test("all watchers learn how far they have come when they are to be told", async () => {
  const { clock, hub, write, watch } = await watchedLog();
  const watching = watch({ scope: { kind: "key", key: "a" } });
  await stepOf(watching);
  const next = stepOf(watching);
  await write(put(1, 1, "b", "1"));
  const atMs = clock.monotonicMs();
  hub.tellProgress();
  assert.equal((await next).revision, 1);
  assert.equal(clock.monotonicMs(), atMs);
});

test("an aborted watch ends, and its place is free again", async () => {
  const { watch, end } = await watchedLog();
  const watching = watch();
  await stepOf(watching);
  const next = watching.next();
  end.abort();
  assert.equal((await next).done, true);
});

test("10,000 watchers of their own keys are told of theirs alone", async () => {
  const { write, watch } = await watchedLog();
  const watchers = Array.from({ length: 10_000 }, (_, index) =>
    watch({ scope: { kind: "key", key: `key-${index}` } }),
  );
  await Promise.all(watchers.map(stepOf));
  const next = watchers.map((watcher) => eventsOf(watcher, 1));
  await write(...watchers.map((_, index) => put(1, index + 1, `key-${index}`, "1")));
  const told = await Promise.all(next);
  assert.deepEqual(told[9_999], ["10000 put key-9999 1"]);
  assert.ok(told.every(([event], index) => event === `${index + 1} put key-${index} 1`));
});
