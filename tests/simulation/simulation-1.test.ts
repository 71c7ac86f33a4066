// runtimes: node
import { test } from "node:test";
import { holdSeeds } from "./hold-seeds.ts";

test(
  "clusters under faults lose nothing, answer nothing stale, and recover: seeds 1 to 125",
  {
    timeout: 300_000,
  },
  () => holdSeeds(1, 125),
);
