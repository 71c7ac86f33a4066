import { after, describe } from "node:test";
import { startZooKeeper } from "../../support/zookeeper.ts";
import { cacheTests } from "./suites/cache.ts";
import { discoveryTests } from "./suites/discovery.ts";
import { queueTests } from "./suites/queue.ts";
import { twoPhaseCommitTests } from "./suites/two-phase-commit.ts";

const zookeeper = await startZooKeeper();
after(() => zookeeper.close());

describe("queue", () => queueTests(zookeeper.connectString));
describe("cache", () => cacheTests(zookeeper.connectString));
describe("two-phase commit", () => twoPhaseCommitTests(zookeeper.connectString));
describe("service discovery", () => discoveryTests(zookeeper.connectString));
