import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { defaultReplicationSettings } from "../../src/cluster/replication/settings.ts";
import { systemClock } from "../../src/common/clock.ts";
import { defaultValueBytesMax } from "../../src/common/key-limits.ts";
import type { OpenSession } from "../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { startDataServer } from "../../src/server/data-server.ts";
import { until } from "../support/until.ts";

test("a watch of a data node's health is told that it serves when it has joined, also if nothing changes after that", {
  timeout: 60_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-health-"));
  const coordination = await EmbeddedCoordination.start({ clock: systemClock });
  const transports = createTransports();
  const start = (name: string, openSession: OpenSession) =>
    startDataServer({
      host: "127.0.0.1",
      port: 0,
      openSession,
      access: "open",
      clock: systemClock,
      valueBytesMax: defaultValueBytesMax,
      agent: false,
      log: () => {},
      group: "zdata1",
      dbfile: join(folder, `${name}.txt`),
      rbfile: join(folder, `${name}.rollback`),
      replication: defaultReplicationSettings,
    });
  const first = await start("first", coordination.opener());
  await first.joined;
  const watched = Promise.withResolvers<void>();
  const second = await start("second", async (options) => {
    await watched.promise;
    return await coordination.opener()(options);
  });
  const hangUp = new AbortController();
  try {
    const told: Status[] = [];
    const health = createClient(Health, transports.transportTo(second.address));
    const watching = (async () => {
      for await (const { status } of health.watch({}, { signal: hangUp.signal })) {
        told.push(status);
        watched.resolve();
      }
    })();
    watching.catch(() => {});
    await second.joined;
    assert.equal((await health.check({})).status, Status.SERVING);
    await until("the watch is told", 10_000, () => told.at(-1) === Status.SERVING);
    assert.deepEqual(told, [Status.NOT_SERVING, Status.SERVING]);
  } finally {
    hangUp.abort();
    transports.close();
    await Promise.all([first.stop(), second.stop()]);
    await coordination.close();
    await rm(folder, { recursive: true, force: true });
  }
});
