// runtimes: bun
// alone: it measures how long a cluster takes to heal
import assert from "node:assert/strict";
import { test } from "node:test";
import { runChaos } from "./run.ts";

test("a minute of faults on processes, links and ZooKeeper while the ring changes: every key stays linearizable, no watcher misses anything, and all serve again after it", {
  timeout: 390_000,
}, async () => {
  const seed = Math.floor(Math.random() * 1e6);
  const { violation, ok, failed, unknown, events, faults, failovers, folder } = await runChaos({
    seed,
    forMs: 60_000,
  });
  console.log(
    `seed ${seed}: ${ok} calls ok, ${failed} failed, ${unknown} unknown, ${events} events; ${faults} faults, ${failovers} failovers`,
  );
  assert.equal(violation, undefined, `seed ${seed}, see ${folder}:\n${violation?.join("\n")}`);
  assert.ok(
    ok > 100 && events > 1000 && faults > 10 && failovers > 0,
    "the faults have hit a cluster at work",
  );
});
