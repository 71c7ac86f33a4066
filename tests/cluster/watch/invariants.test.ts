import assert from "node:assert/strict";
import { test } from "node:test";
import { Watcher } from "../../../src/cluster/watch/watcher.ts";
import { put } from "../../support/log-fixtures.ts";
import { stepOf, watchedLog } from "./watched-log.ts";

const broken = { name: "InvariantError" };

function watcherAt(seq: number): Watcher {
  const options = { scope: { kind: "all" }, after: undefined, previous: false } as const;
  return new Watcher(options, { epoch: 1, seq }, 0, { bytes: 0 });
}

test("a change that would be told before its commit ends the process, and is not told", async () => {
  const { store, write, watch, failures } = await watchedLog();
  const watching = watch();
  await stepOf(watching);
  const next = stepOf(watching);
  Object.defineProperty(store, "visible", { value: { epoch: 1, seq: 0 } });
  await write(put(1, 1, "a", "1"));
  await assert.rejects(next, broken);
  assert.equal(failures.length, 1);
});

test("the position of a watch never falls", () => {
  assert.throws(() => watcherAt(5).offerProgress({ epoch: 1, seq: 4 }, true).take(), broken);
});

test("a change that was told is not told again", async () => {
  const watcher = watcherAt(5);
  const [change] = put(1, 5, "a", "1").changes;
  assert.ok(change !== undefined);
  watcher.push({ change, at: { epoch: 1, seq: 5 }, revision: 5, previous: undefined }, 1_000);
  const offer = await watcher.offer();
  assert.throws(() => offer.take(), broken);
});
