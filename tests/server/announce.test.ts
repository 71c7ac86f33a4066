import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { KvClient } from "kvlab";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { defaultReplicationSettings } from "../../src/cluster/replication/settings.ts";
import { systemClock } from "../../src/common/clock.ts";
import { defaultValueBytesMax } from "../../src/common/key-limits.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { startDataServer } from "../../src/server/data-server.ts";
import { startRouterServer } from "../../src/server/router-server.ts";
import { addressOf } from "../support/address.ts";
import { freePorts } from "../support/free-ports.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";

test("a server that announces another address than its own is located there, and called over it", {
  timeout: 60_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-announce-"));
  const coordination = await EmbeddedCoordination.start({ clock: systemClock });
  const transports = createTransports();
  const [port = 0] = await freePorts(1);
  const proxy = await startTcpProxy(`127.0.0.1:${port}`);
  const common = {
    host: "127.0.0.1",
    openSession: coordination.opener(),
    access: "open",
    clock: systemClock,
    valueBytesMax: defaultValueBytesMax,
    log: () => {},
  } as const;
  const node = await startDataServer({
    ...common,
    port,
    announce: addressOf(proxy.address),
    group: "zdata1",
    dbfile: join(folder, "db.txt"),
    rbfile: join(folder, "rb.txt"),
    replication: defaultReplicationSettings,
  });
  const router = await startRouterServer({ ...common, port: 0, virtualNodes: 2 });
  try {
    const transport = transports.transportTo(router.address);
    const data = createClient(DataService, transport);
    await until("the group serves", 30_000, () =>
      data.put({ key: "a", value: { case: "text", value: "1" } }).then(
        () => true,
        () => false,
      ),
    );
    const { address } = await createClient(RouterService, transport).locate({ key: "a" });
    assert.equal(address, proxy.address);
    assert.ok(proxy.connections > 0);
  } finally {
    transports.close();
    await Promise.all([node.stop(), router.stop()]);
    await proxy.close();
    await coordination.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("a second server with the same announced address says so and waits; the first is back at once after a restart", {
  timeout: 60_000,
}, async () => {
  const coordination = await EmbeddedCoordination.start({ clock: systemClock });
  const session = await coordination.opener()();
  const folder = await mkdtemp(join(tmpdir(), "kvlab-announce-"));
  const ports = await freePorts(4);
  const logs: string[][] = [];
  const common = (port: number, announced: number) => {
    const lines: string[] = [];
    logs.push(lines);
    return {
      host: "127.0.0.1",
      port,
      announce: addressOf(`127.0.0.1:${announced}`),
      openSession: coordination.opener(),
      access: "open",
      clock: systemClock,
      valueBytesMax: defaultValueBytesMax,
      log: (line: string) => lines.push(line),
    } as const;
  };
  const [a = 0, b = 0, c = 0, d = 0] = ports;
  const router = (port: number, announced: number) =>
    startRouterServer({ ...common(port, announced), virtualNodes: 2 });
  const node = (port: number, announced: number) =>
    startDataServer({
      ...common(port, announced),
      group: "g",
      dbfile: join(folder, `${port}.txt`),
      rbfile: join(folder, `${port}.rb.txt`),
      replication: defaultReplicationSettings,
    });
  const servers = [await router(a, a), await node(b, b)];
  const [firstRouter, firstNode] = servers;
  try {
    await Promise.all(servers.map(({ joined }) => joined));
    const second = await router(c, a);
    const secondNode = await node(d, b);
    servers.push(second, secondNode);
    const isTold = (lines: string[] = []) =>
      lines.filter((line) => line.startsWith("another process answers"));
    await until("both say so", 30_000, async () => logs.slice(2).every((lines) => isTold(lines).length > 0));
    assert.equal((await session.children("/server")).filter((name) => /^\d+$/.test(name)).length, 1);
    assert.equal((await session.children("/data/g")).filter((name) => /^\d+$/.test(name)).length, 1);
    assert.match(
      isTold(logs[2])[0] ?? "",
      new RegExp(`at 127\\.0\\.0\\.1:${a}, which this one announces too`),
    );
    // The first are left alone: they have never had to register again.
    for (const lines of logs.slice(0, 2)) {
      assert.equal(lines.filter((line) => line.startsWith("registered as")).length, 1, lines.join("\n"));
    }
    await Promise.all([firstRouter?.stop(), firstNode?.stop()]);
    const back = [await router(a, a), await node(b, b)];
    servers.push(...back);
    await Promise.all(back.map(({ joined }) => joined));
    for (const lines of logs.slice(2, 4)) {
      assert.equal(isTold(lines).length, 1);
      assert.ok(!lines.some((line) => line.startsWith("registered as")), lines.join("\n"));
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await session.close();
    await coordination.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("servers on IPv6 addresses find one another, and clients find them", { timeout: 60_000 }, async () => {
  const coordination = await EmbeddedCoordination.start({ clock: systemClock });
  const folder = await mkdtemp(join(tmpdir(), "kvlab-announce-"));
  const logs: string[] = [];
  const common = {
    host: "::1",
    port: 0,
    openSession: coordination.opener(),
    access: "open",
    clock: systemClock,
    valueBytesMax: defaultValueBytesMax,
    log: (line: string) => logs.push(line),
  } as const;
  const node = (name: string) =>
    startDataServer({
      ...common,
      group: "g",
      dbfile: join(folder, `${name}.txt`),
      rbfile: join(folder, `${name}.rb.txt`),
      replication: defaultReplicationSettings,
    });
  const servers = [await startRouterServer({ ...common, virtualNodes: 2 }), await node("1"), await node("2")];
  const clients = [true, false].map(
    (direct) => new KvClient({ routers: [`http://${servers[0]?.address}`], direct, deadlineMs: 30_000 }),
  );
  try {
    await Promise.all(servers.map(({ joined }) => joined));
    assert.match(servers[0]?.address ?? "", /^\[::1\]:\d+$/);
    for (const kv of clients) {
      await kv.put("a", "1");
      assert.equal((await kv.get("a"))?.text(), "1");
    }
    assert.deepEqual(
      logs.filter((line) => /answers at|cannot be fed|without it/.test(line)),
      [],
    );
  } finally {
    for (const kv of clients) kv.close();
    await Promise.all(servers.map((server) => server.stop()));
    await coordination.close();
    await rm(folder, { recursive: true, force: true });
  }
});
