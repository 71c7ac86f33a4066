import assert from "node:assert/strict";
import { after, describe } from "node:test";
import { startZooKeeper } from "../support/zookeeper.ts";
import { accessTests } from "./suites/access.ts";
import { callTests } from "./suites/calls.ts";
import { createProtectedTests } from "./suites/create-protected.ts";
import { kazooTests } from "./suites/kazoo.ts";
import { mistakeTests } from "./suites/mistakes.ts";
import { persistentWatchTests } from "./suites/persistent-watches.ts";
import { transactionTests } from "./suites/transactions.ts";
import { watchTests } from "./suites/watches.ts";
import { znodeTests } from "./suites/znodes.ts";

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const zookeeper = await startZooKeeper({
  tls: "mutual",
  properties: { "zookeeper.extendedTypesEnabled": "true", "znode.container.checkIntervalMs": "200" },
});
after(() => zookeeper.close());
const { connectString } = zookeeper;

describe("ZooKeeper client, one server", { timeout: 120_000 }, () => {
  describe("znodes", () => znodeTests(connectString));
  describe("transactions", () => transactionTests(connectString));
  describe("access", () => accessTests(connectString, zookeeper.members[0] ?? assert.fail()));
  describe("watches", () => watchTests(connectString));
  describe("persistent watches", () => persistentWatchTests(zookeeper));
  describe("calls", () => callTests(connectString));
  describe("mistakes", () => mistakeTests(connectString));
  describe("beside kazoo", () => kazooTests(connectString));
  describe("protected creates", () => createProtectedTests(connectString));
});
