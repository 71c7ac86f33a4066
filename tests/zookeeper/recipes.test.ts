import { after, describe } from "node:test";
import { ZooKeeper } from "../../src/zookeeper/index.ts";
import { startZooKeeper } from "../support/zookeeper.ts";
import { Kazoo } from "./recipes/kazoo.ts";
import { barrierTests } from "./recipes/suites/barriers.ts";
import { cacheTests } from "./recipes/suites/cache.ts";
import { counterTests } from "./recipes/suites/counter.ts";
import { discoveryTests } from "./recipes/suites/discovery.ts";
import { electionTests } from "./recipes/suites/election.ts";
import { groupTests } from "./recipes/suites/group.ts";
import { kazooGroupTests } from "./recipes/suites/kazoo-groups.ts";
import { kazooLockTests } from "./recipes/suites/kazoo-locks.ts";
import { lockTests } from "./recipes/suites/locks.ts";
import { lostLockTests } from "./recipes/suites/lost-locks.ts";
import { queueTests } from "./recipes/suites/queue.ts";
import { serviceChoiceTests } from "./recipes/suites/service-choice.ts";
import { twoPhaseCommitTests } from "./recipes/suites/two-phase-commit.ts";

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const zookeeper = await startZooKeeper({ properties: { "znode.container.checkIntervalMs": "200" } });
const { connectString } = zookeeper;
const client = await ZooKeeper.connect({ servers: connectString, sessionTimeoutMs: 20_000 });
const kazoo = new Kazoo(connectString);
after(async () => {
  kazoo.kill();
  await client.close();
  await zookeeper.close();
});

describe("recipes on ZooKeeper", { timeout: 180_000 }, () => {
  describe("locks", () => lockTests(connectString));
  describe("locks that are lost", () => lostLockTests(connectString));
  describe("election", () => electionTests(connectString));
  describe("group", () => groupTests(connectString));
  describe("barriers", () => barrierTests(connectString));
  describe("counter", () => counterTests(connectString));
  describe("queue", () => queueTests(connectString));
  describe("cache", () => cacheTests(connectString));
  describe("service discovery", () => discoveryTests(connectString));
  describe("choice of a service", () => serviceChoiceTests(connectString));
  describe("two-phase commit", () => twoPhaseCommitTests(connectString));
  describe("locks, with kazoo", () => kazooLockTests(client, kazoo));
  describe("groups, with kazoo", () => kazooGroupTests(client, kazoo));
});
