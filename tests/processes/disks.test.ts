// runtimes: bun, node
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { NodeRole } from "../../gen/kvlab/v1/topology_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { systemClock } from "../../src/common/clock.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { freePorts } from "../support/free-ports.ts";
import { cannotMount, type Mounts, makeMounts } from "../support/mounts.ts";
import { ServerProcess } from "../support/server-process.ts";
import { assertKept, writeSteadily } from "../support/steady-writes.ts";
import { until } from "../support/until.ts";
import { startZooKeeper } from "../support/zookeeper.ts";

// What becomes of a group of two nodes when a disk is full, or hangs: on file systems that are.

const skip = await cannotMount();
const group = "zdata1";

test("an embedded coordination service without room waits until there is some", { skip }, async () => {
  const mounts = await makeMounts();
  try {
    const folder = await mounts.tmpfs("state", 64);
    const told: string[] = [];
    const options = {
      clock: systemClock,
      file: join(folder, "state"),
      onDiagnostic: (message: string) => told.push(message),
    };
    const service = await EmbeddedCoordination.start(options);
    const session = await service.opener()();
    await session.create("/before", new Uint8Array(10_000), "persistent", "open");
    const created = session.create("/large", new Uint8Array(100_000), "persistent", "open");
    await until("it says so", 20_000, () => told.some((message) => message.includes("ENOSPC")));
    await mounts.resize(folder, 1024);
    await created;
    await session.create("/after", new Uint8Array(10), "persistent", "open");
    await service.close();
    const again = await EmbeddedCoordination.start(options);
    const found = await again.opener()();
    assert.deepEqual((await found.children("/")).sort(), ["after", "before", "large"]);
    await again.close();
    assert.equal(told.length, 2, told.join("\n"));
  } finally {
    await mounts.close();
  }
});

describe("disks of their own", { skip }, () => {
  let mounts: Mounts;
  let zookeeper: Awaited<ReturnType<typeof startZooKeeper>>;
  const started: ServerProcess[] = [];
  const transports = createTransports({ connectTimeoutMs: 1000 });

  before(
    async () => {
      mounts = await makeMounts();
      zookeeper = await startZooKeeper({ members: 1 });
    },
    { timeout: 60_000 },
  );
  after(async () => {
    // What hangs cannot be killed.
    await mounts.close();
    await Promise.all(started.map((server) => server.kill()));
    transports.close();
    await zookeeper.close();
  });

  /** A router, and a node on each of these folders, in a cluster of their own. */
  async function startCluster(chroot: string, folders: readonly string[]) {
    const [routerPort = 0, ...ports] = await freePorts(1 + folders.length);
    const env = { zooaddr: `${zookeeper.connectString}/${chroot}`, sessiontimeoutms: "2000" };
    const nodes = ports.map((port, index) => {
      const folder = folders[index] ?? "";
      const files = { dbfile: join(folder, "db.txt"), rbfile: join(folder, "rb.txt") };
      return new ServerProcess(`${chroot} ${index}`, "data", port, { ...env, name: group, ...files });
    });
    const router = new ServerProcess(`${chroot} router`, "router", routerPort, env);
    started.push(router, ...nodes);
    await router.start();
    for (const node of nodes) await node.start();
    const transport = transports.transportTo(router.address);
    const data = createClient(DataService, transport);
    const members = async () => {
      const { topology } = await createClient(RouterService, transport).getTopology({});
      return topology?.groups.find(({ name }) => name === group)?.nodes ?? [];
    };
    const untilWhole = () =>
      until("both nodes are in sync", 60_000, async () => {
        const found = await members();
        return found.length === nodes.length && found.every(({ inSync }) => inSync);
      });
    const primary = async () => {
      const found = (await members()).find(({ role }) => role === NodeRole.PRIMARY);
      return nodes.find(({ address }) => address === found?.address);
    };
    await untilWhole();
    return { nodes, data, primary, untilWhole };
  }

  test("with both disks full writes are refused and reads go on, until there is room", {
    timeout: 180_000,
  }, async () => {
    const folders = [await mounts.tmpfs("full0", 1024), await mounts.tmpfs("full1", 1024)];
    const { nodes, data, untilWhole } = await startCluster("full", folders);
    const text = "x".repeat(10_000);
    const kept: string[] = [];
    const refusals: ConnectError[] = [];
    for (let index = 0; index < 150; index++) {
      const key = `key ${index}`;
      await data.put({ key, value: { case: "text", value: `${index} ${text}` } }, { timeoutMs: 20_000 }).then(
        () => kept.push(key),
        (error) => refusals.push(ConnectError.from(error)),
      );
    }
    assert.ok(kept.length > 60 && refusals.length > 60, `${kept.length} kept, ${refusals.length} refused`);
    for (const error of refusals) {
      assert.equal(error.code, Code.ResourceExhausted, error.message);
      assert.equal(error.findDetails(NotAppliedSchema).length, 1);
      assert.match(error.message, /disk of the group's primary is full/);
    }
    assert.match((await data.status({ group })).diskTrouble, /its disk is full .*ENOSPC/);
    assert.ok(nodes.every(({ isRunning }) => isRunning));
    const readsAll = async () => {
      for (let index = 0; index < 150; index++) {
        const found = await data.get({ key: `key ${index}` }, { timeoutMs: 20_000 }).then(
          ({ value }) => value.value,
          (error) => assert.equal(ConnectError.from(error).code, Code.NotFound) ?? "none",
        );
        assert.equal(found, kept.includes(`key ${index}`) ? `${index} ${text}` : "none");
      }
    };
    await readsAll();

    for (const folder of folders) await mounts.resize(folder, 8 * 1024);
    await data.put({ key: "later", value: { case: "text", value: "1" } }, { timeoutMs: 20_000 });
    assert.equal((await data.status({ group })).diskTrouble, "");
    await untilWhole();
    await readsAll();
    const told = nodes.map(
      ({ output }) => output.split("\n").filter((line) => line.includes("ENOSPC")).length,
    );
    assert.ok(
      told.every((lines) => lines <= 2),
      nodes.map(({ output }) => output).join("\n"),
    );
  });

  /** Stops the primary's disk, and waits until the other node is primary and takes writes to every key. */
  async function replaceBy(name: string, stop: (folder: string) => Promise<void>) {
    const folders = [await mounts.ext4(`${name}0`, 32), await mounts.ext4(`${name}1`, 32)];
    const { nodes, data, primary, untilWhole } = await startCluster(name, folders);
    const writes = writeSteadily(["a", "b", "c"], { client: () => data });
    await until("there are writes", 20_000, () => writes.acknowledged.size === 3);
    const replaced = (await primary()) ?? assert.fail("no primary");
    const folder = folders[nodes.indexOf(replaced)] ?? assert.fail();
    const before = new Map(writes.acknowledged);

    await stop(folder);
    await until("writes go on with the other node", 30_000, async () => {
      const found = await primary();
      const goOn = [...writes.acknowledged].every(([key, number]) => number > (before.get(key) ?? 0) + 3);
      return found !== undefined && found !== replaced && goOn;
    });
    /** Its disk works again. */
    const comeBack = async () => {
      await mounts.thaw(folder);
      await untilWhole();
      await writes.end();
      await assertKept(data, writes);
      assert.notEqual(await primary(), replaced);
    };
    return { replaced, primary, comeBack };
  }

  test("a primary whose disk hangs is replaced, and comes back when it works", {
    timeout: 180_000,
  }, async () => {
    const { replaced, primary, comeBack } = await replaceBy("hung", (folder) => mounts.hang(folder));
    assert.ok(replaced.isRunning);
    // It does not come back while its disk hangs.
    const sinceMs = performance.now();
    await until("some time has passed", 10_000, () => performance.now() - sinceMs > 5000);
    assert.notEqual(await primary(), replaced);
    assert.match(
      replaced.output,
      /takes the place of this node as primary of epoch 1: its disk has not answered for/,
    );
    await comeBack();
  });

  test("a primary whose file system is frozen is replaced as a silent one, and comes back afterwards", {
    timeout: 180_000,
  }, async () => {
    const { comeBack } = await replaceBy("frozen", (folder) => mounts.freeze(folder));
    await comeBack();
  });

  test("a standby whose disk hangs is dropped, and comes back when it works", {
    timeout: 180_000,
  }, async () => {
    const folders = [await mounts.ext4("standby0", 32), await mounts.ext4("standby1", 32)];
    const { nodes, data, primary, untilWhole } = await startCluster("standby", folders);
    const serving = (await primary()) ?? assert.fail("no primary");
    const standby = nodes.find((node) => node !== serving) ?? assert.fail();
    await mounts.hang(folders[nodes.indexOf(standby)] ?? "");
    for (const value of ["1", "2", "3"]) {
      await data.put({ key: "a", value: { case: "text", value } }, { timeoutMs: 20_000 });
    }
    assert.equal(await primary(), serving);
    assert.match(serving.output, /going on without it/);
    await mounts.thaw(folders[nodes.indexOf(standby)] ?? "");
    await untilWhole();
    assert.equal(await primary(), serving);
  });
});
