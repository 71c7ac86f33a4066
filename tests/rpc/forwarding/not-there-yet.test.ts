import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { KvClient } from "kvlab";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { createTransports } from "../../../src/client/transport/http2.ts";
import { systemClock } from "../../../src/common/clock.ts";
import { defaultValueBytesMax } from "../../../src/common/key-limits.ts";
import { EmbeddedCoordination } from "../../../src/coordination/embedded/service.ts";
import { openWire } from "../../../src/coordination/wire/open-wire.ts";
import { startRouterServer } from "../../../src/server/router-server.ts";
import { freePorts } from "../../support/free-ports.ts";
import { runProgram } from "../../support/run-program.ts";

const common = {
  host: "127.0.0.1",
  port: 0,
  access: "open",
  clock: systemClock,
  valueBytesMax: defaultValueBytesMax,
  virtualNodes: 2,
  log: () => {},
} as const;

test("a router that has not reached ZooKeeper yet answers, and says why", { timeout: 60_000 }, async () => {
  const [port = 0] = await freePorts(1);
  const openSession = openWire({ connectString: `127.0.0.1:${port}`, sessionTimeoutMs: 4000 });
  const router = await startRouterServer({ ...common, openSession });
  const transports = createTransports();
  const kv = new KvClient({ routers: [router.address], deadlineMs: 3000 });
  try {
    const transport = transports.transportTo(router.address);
    const [routers, data] = [createClient(RouterService, transport), createClient(DataService, transport)];
    const reason = new RegExp(
      `^ZooKeeper has not been reached since this node started: cannot reach ZooKeeper at 127.0.0.1:${port} `,
    );
    const calls = {
      getTopology: () => routers.getTopology({}),
      locate: () => routers.locate({ key: "a" }),
      watchTopology: () => routers.watchTopology({})[Symbol.asyncIterator]().next(),
      get: () => data.get({ key: "a" }),
      put: () => data.put({ key: "a", value: { case: "text", value: "1" } }),
      scan: () => data.scan({ group: "g" })[Symbol.asyncIterator]().next(),
      status: () => data.status({ group: "g" }),
    };
    const fails = async (name: string, call: () => Promise<unknown>) => {
      const error = await call().then(() => assert.fail(name), ConnectError.from);
      assert.equal(error.code, Code.Unavailable, name);
      assert.match(error.rawMessage, reason, name);
      assert.equal(error.findDetails(NotAppliedSchema).length, 1, name);
    };
    // Each takes as long as a router waits for ZooKeeper.
    await Promise.all([
      ...Object.entries(calls).map(([name, call]) => fails(name, call)),
      assert.rejects(kv.get("a"), { code: "unavailable", message: reason }),
    ]);
  } finally {
    kv.close();
    transports.close();
    await router.stop();
  }
});

test("without a data node, client, command and router say that none has registered", {
  timeout: 60_000,
}, async () => {
  const coordination = await EmbeddedCoordination.start({ clock: systemClock });
  const router = await startRouterServer({ ...common, openSession: coordination.opener() });
  const transports = createTransports();
  const clients = [true, false].map(
    (direct) => new KvClient({ routers: [router.address], direct, deadlineMs: 2000 }),
  );
  try {
    await router.joined;
    const message = "no group is in the ring yet: no data node has registered";
    const data = createClient(DataService, transports.transportTo(router.address));
    const [error] = await Promise.all([
      data.get({ key: "a" }).then(() => assert.fail("answered"), ConnectError.from),
      ...clients.map((kv) => assert.rejects(kv.get("a"), { code: "unavailable", message })),
    ]);
    assert.deepEqual([error.code, error.rawMessage], [Code.Unavailable, message]);
    const cli = new URL("../../../src/cli.ts", import.meta.url);
    const { stdout } = await runProgram(cli, ["status", "--router", `http://${router.address}`]);
    assert.match(stdout, /^warning: there is no group: no data node has registered yet$/m);
  } finally {
    for (const kv of clients) kv.close();
    transports.close();
    await router.stop();
    await coordination.close();
  }
});
