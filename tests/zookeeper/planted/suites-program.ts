// Run by `bun test`, with the address of a server in TEST_ZOOKEEPER.
import process from "node:process";
import { barrierTests } from "../recipes/suites/barriers.ts";
import { counterTests } from "../recipes/suites/counter.ts";
import { lockTests } from "../recipes/suites/locks.ts";
import { lostLockTests } from "../recipes/suites/lost-locks.ts";

const { TEST_ZOOKEEPER: address } = process.env;
if (address === undefined) throw new Error("TEST_ZOOKEEPER is not set");
for (const tests of [lockTests, lostLockTests, barrierTests, counterTests]) tests(address);
