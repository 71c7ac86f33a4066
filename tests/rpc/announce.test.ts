import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { systemClock } from "../../src/cluster/clock.ts";
import { defaultValueBytesMax } from "../../src/cluster/key-limits.ts";
import { defaultReplicationSettings } from "../../src/cluster/replication/settings.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { startDataServer } from "../../src/rpc/data-server.ts";
import { startRouterServer } from "../../src/rpc/router-server.ts";
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
