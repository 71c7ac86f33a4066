// Run by `bun test`, with the address of a server in TEST_ZOOKEEPER.
import process from "node:process";
import { barrierTests } from "../recipes/suites/barriers.ts";
import { cacheTests } from "../recipes/suites/cache.ts";
import { counterTests } from "../recipes/suites/counter.ts";
import { discoveryTests } from "../recipes/suites/discovery.ts";
import { lockTests } from "../recipes/suites/locks.ts";
import { lostLockTests } from "../recipes/suites/lost-locks.ts";
import { queueTests } from "../recipes/suites/queue.ts";
import { twoPhaseCommitTests } from "../recipes/suites/two-phase-commit.ts";

const { TEST_ZOOKEEPER: address } = process.env;
if (address === undefined) throw new Error("TEST_ZOOKEEPER is not set");
for (const tests of [
  ...[lockTests, lostLockTests, barrierTests, counterTests],
  ...[queueTests, cacheTests, discoveryTests, twoPhaseCommitTests],
]) {
  tests(address);
}
