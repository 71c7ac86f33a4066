import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import type { WatchStep } from "../../../src/cluster/watch/step.ts";
import { queueBytesMax } from "../../../src/cluster/watch/watcher.ts";
import { deletion, put } from "../../support/log-fixtures.ts";
import { eventsOf, stepOf, watchedLog } from "./watched-log.ts";

test("a slow watcher gets everything from the log, and has little in memory meanwhile", async () => {
  const { write, watch } = await watchedLog();
  const slow = watch();
  await stepOf(slow);
  const first = eventsOf(slow, 1);
  const large = "x".repeat(queueBytesMax / 4);
  for (let seq = 1; seq <= 20; seq++) await write(put(1, seq, "a", large));
  await first;
  const revisions: number[] = [];
  while (revisions.at(-1) !== 20) {
    for (const { revision } of (await stepOf(slow)).events) revisions.push(revision);
  }
  assert.deepEqual(
    [...new Set([1, ...revisions])],
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
});

const MiB = 1024 * 1024;

/** Records on a few keys, each with the value before. */
function overwriting(seq: number, keys: readonly string[], value: string, previous: number): LogRecord {
  const changes = keys.flatMap((key) =>
    put(1, seq, key, value).changes.map((change) => ({ ...change, previous })),
  );
  return { epoch: 1, seq, changes };
}

function removing(seq: number, key: string, previous: number): LogRecord {
  return { epoch: 1, seq, changes: deletion(1, seq, key).changes.map((change) => ({ ...change, previous })) };
}

const bytesOf = ({ events: told }: WatchStep) =>
  told.reduce(
    (sum, { change, previous }) => sum + change.value.length + (previous?.value?.value.length ?? 0),
    0,
  );

test("previous values are read when they are told, and no step is longer than a message", async () => {
  const { store, write, watch } = await watchedLog();
  const large = "x".repeat(MiB);
  const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
  for (const [index, key] of keys.entries()) await write(overwriting(index + 1, [key], large, 0));
  const stopped = watch({ previous: true });
  await stepOf(stopped);
  let reads = 0;
  const { valueLater } = store;
  store.valueLater = (key) => {
    const later = valueLater.call(store, key);
    if (later === undefined) return undefined;
    return {
      ...later,
      read() {
        reads++;
        return later.read();
      },
    };
  };
  const next = stepOf(stopped);
  for (const [index, key] of keys.entries()) await write(removing(21 + index, key, index + 1));
  const steps = [await next];
  assert.ok(reads <= 5, `${reads} values were read for a step`);
  while (steps.at(-1)?.at.seq !== 40) steps.push(await stepOf(stopped));
  assert.ok(steps.every((step) => bytesOf(step) <= 4 * MiB));
  const told = steps.flatMap((step) => step.events.map(({ change }) => change.key));
  assert.deepEqual(told, keys);
});

for (const [how, options] of [
  ["as it happens", {}],
  ["from the log", { after: { epoch: 1, revision: 1 } }],
] as const) {
  test(`a batch that is too long with what was there before is told in parts, ${how}`, async () => {
    const { write, watch } = await watchedLog();
    const keys = ["a", "b", "c", "d", "e", "f"];
    await write(overwriting(1, keys, "x".repeat(MiB), 0));
    const watching = watch({ previous: true, ...options });
    await stepOf(watching);
    const next = stepOf(watching);
    await write(overwriting(2, keys, "y", 1), overwriting(3, ["z"], "1", 0));
    const steps = [await next];
    while (steps.at(-1)?.at.seq !== 3) steps.push(await stepOf(watching));
    assert.deepEqual(
      steps.flatMap((step) => step.events.map(({ change }) => change.key)),
      [...keys, "z"],
    );
    assert.deepEqual(steps[0]?.at, { epoch: 1, seq: 1 });
    assert.ok(steps.every((step) => bytesOf(step) <= 4 * MiB));
  });
}

test("a batch that is told in part goes on from the log where it was, when the watcher falls behind", async () => {
  const { write, watch } = await watchedLog();
  const keys = ["a", "b", "c", "d", "e", "f"];
  await write(overwriting(1, keys, "x".repeat(MiB), 0));
  const watching = watch({ previous: true });
  await stepOf(watching);
  const next = stepOf(watching);
  await write(overwriting(2, keys, "y", 1));
  const steps = [await next];
  for (let seq = 3; seq < 8; seq++) await write(overwriting(seq, ["z"], "z".repeat(queueBytesMax / 2), 0));
  while (steps.at(-1)?.at.seq !== 7) steps.push(await stepOf(watching));
  assert.deepEqual(
    steps.flatMap((step) => step.events.map(({ change }) => change.key)),
    [...keys, "z", "z", "z", "z", "z"],
  );
});

test("watchers that do not read hold so much together, and no more; who reads on frees it for others", async () => {
  const { clock, write, watch } = await watchedLog();
  const watching = Array.from({ length: 80 }, () => watch({ previous: true }));
  await Promise.all(watching.map(stepOf));
  const large = "x".repeat(3.5 * MiB);
  await write(overwriting(1, ["a"], large, 0));
  let told = 0;
  const next = watching.map(async (each) => {
    const step = await stepOf(each);
    told++;
    return step;
  });
  await clock.pass(1000);
  // 256 MiB together.
  assert.equal(told, 73);
  for (const each of watching.slice(0, 10)) void each.next();
  await clock.settled(Promise.all(next));
});

test("a watch that fails when there is room for it again leaves that room to others", async () => {
  const { clock, store, write, watch } = await watchedLog();
  await write(overwriting(1, ["a"], "x".repeat(3.5 * MiB), 0));
  /** Watches that have been told of the record, and what comes of the others. */
  const fill = async () => {
    const told: ReturnType<typeof watch>[] = [];
    const others: Promise<unknown>[] = [];
    for (const each of Array.from({ length: 80 }, () => watch({ after: { epoch: 0, revision: 0 } }))) {
      await stepOf(each);
      others.push(stepOf(each).then(() => told.push(each)));
    }
    await clock.pass(1000);
    return { told, others: Promise.allSettled(others) };
  };
  const { told, others } = await fill();
  assert.equal(told.length, 73);
  const { read } = store;
  store.read = async () => undefined;
  const leaving = told.map((each) => each.return());
  const failed = (await clock.settled(others)).filter(({ status }) => status === "rejected");
  assert.equal(failed.length, 7);
  await Promise.all(leaving);
  store.read = read;
  assert.equal((await fill()).told.length, 73);
});
