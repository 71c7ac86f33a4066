import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogRecord, MoveMark } from "../../../src/cluster/storage/model.ts";
import { deleting, put, putting } from "../../support/log-fixtures.ts";
import { eventsOf, stepOf, watchedLog } from "./watched-log.ts";

const accepted: MoveMark = {
  kind: "accept",
  change: 5,
  from: "source",
  revision: 90,
  ahead: 100,
  requestsAfter: 0,
};

/** Keys that come, with an accept, and one that is given away again. */
const moved: readonly LogRecord[] = [
  { epoch: 1, seq: 2, changes: [putting("a", "copied")], move: { kind: "copy", revision: 80 } },
  {
    epoch: 1,
    seq: 3,
    changes: [putting("b", "copied"), deleting("c")],
    move: { kind: "copy", revision: 90 },
  },
  { epoch: 1, seq: 4, changes: [], move: accepted },
  { epoch: 1, seq: 5, changes: [], move: { kind: "release", change: 5, to: "other" } },
  { epoch: 1, seq: 6, changes: [deleting("b")], move: { kind: "forget" } },
];

function over(seq: number, value: string, previous: number): LogRecord {
  return { epoch: 1, seq, changes: [putting("a", value, { previous })] };
}

test("keys that move are no events, live or from the log, and those after them have their revisions", async () => {
  const { write, watch } = await watchedLog();
  await write(put(1, 1, "a", "1"));
  const live = watch();
  await stepOf(live);
  const next = eventsOf(live, 1);
  await write(...moved);
  await write(put(1, 7, "d", "7"));
  assert.deepEqual(await next, ["107 put d 7"]);
  const late = watch({ after: { epoch: 0, revision: 0 } });
  assert.deepEqual(await eventsOf(late, 2), ["1 put a 1", "107 put d 7"]);
});

test("a watch goes on from the revision that it was told, across an accept too", async () => {
  const { write, watch } = await watchedLog();
  await write(put(1, 1, "a", "1"), ...moved, put(1, 7, "d", "7"));
  const { at, revision } = await stepOf(watch());
  assert.deepEqual([at.seq, revision], [7, 107]);
  const after = async (revision: number) => {
    const [first] = await eventsOf(watch({ after: { epoch: 1, revision } }), 1);
    return first;
  };
  await write(put(1, 8, "d", "8"));
  assert.equal(await after(1), "107 put d 7");
  // Between the last revision before the accept and the first one from there on.
  assert.equal(await after(50), "107 put d 7");
  assert.equal(await after(106), "107 put d 7");
  assert.equal(await after(107), "108 put d 8");
  await assert.rejects(after(109), { code: "history-lost", revision: 0 });
});

test("the oldest revision that a watch can begin after is one", async () => {
  const { store, write, watch } = await watchedLog({ historyBytes: 0 });
  await write(put(1, 1, "a", "1"), ...moved, put(1, 7, "d", "7"));
  await store.compact();
  const early = stepOf(watch({ after: { epoch: 1, revision: 1 } }));
  await assert.rejects(early, { code: "history-lost", revision: 107 });
  const watching = watch({ after: { epoch: 1, revision: 107 } });
  await stepOf(watching);
  const next = eventsOf(watching, 1);
  await write(put(1, 8, "d", "8"));
  assert.deepEqual(await next, ["108 put d 8"]);
});

test("the value before a change has the revision that it came with", async () => {
  const { write, watch } = await watchedLog();
  await write(put(1, 1, "x", "1"), ...moved);
  const live = watch({ previous: true });
  await stepOf(live);
  const next = stepOf(live);
  await write(over(7, "mine", 2));
  const late = watch({ previous: true, after: { epoch: 1, revision: 106 } });
  await stepOf(late);
  for (const step of [await next, await stepOf(late)]) {
    const [event] = step.events;
    assert.equal(event?.revision, 107);
    assert.deepEqual([event?.previous?.revision, event?.previous?.value?.revision], [80, 80]);
    assert.equal(String(event?.previous?.value?.value), "copied");
  }
});
