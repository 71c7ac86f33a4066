// runtimes: node
// Only its V8 counts the objects of a class.
import { equal } from "node:assert/strict";
import { test } from "node:test";
import { queryObjects } from "node:v8";
import { runSeed } from "./run.ts";
import { Cluster } from "./world/cluster.ts";

test("a run leaves no cluster behind in memory", async () => {
  for (const seed of [1, 2, 3]) await runSeed(seed);
  equal(queryObjects(Cluster), 0);
});
