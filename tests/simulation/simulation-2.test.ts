// runtimes: node
import { test } from "node:test";
import { holdSeeds } from "./hold-seeds.ts";

test(
  "clusters under faults lose nothing, answer nothing stale, and recover: seeds 126 to 250",
  {
    timeout: 300_000,
  },
  () => holdSeeds(126, 125),
);
