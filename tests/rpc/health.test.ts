import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { startToyNode, transportsTo } from "../support/toy-node.ts";
import { until } from "../support/until.ts";

const timeout = 20_000;
const data = "kvlab.v1.DataService";

/** A node that serves what is told. */
function switchboard() {
  const down = new Set<string>();
  const listeners = new Set<() => void>();
  return {
    listeners,
    serving: (service: string) => !down.has(service),
    onChange(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    set(service: string, serving: boolean) {
      if (serving) down.delete(service);
      else down.add(service);
      for (const listener of listeners) listener();
    },
  };
}

describe("the health service", () => {
  it("checks one service, or the node", { timeout }, async () => {
    const health = switchboard();
    const node = await startToyNode({ health });
    try {
      const client = createClient(Health, transportsTo(node.baseUrl).gRPC);
      health.set(data, false);
      assert.equal((await client.check({ service: data })).status, Status.NOT_SERVING);
      assert.equal((await client.check({})).status, Status.SERVING);
      health.set(data, true);
      assert.equal((await client.check({ service: data })).status, Status.SERVING);
      const error = await client.check({ service: "no.Service" }).catch(ConnectError.from);
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.NotFound);
    } finally {
      await node.close();
    }
  });

  it("lists all", { timeout }, async () => {
    const health = switchboard();
    const node = await startToyNode({ health });
    try {
      health.set(data, false);
      const { statuses } = await createClient(Health, transportsTo(node.baseUrl).gRPC).list({});
      assert.deepEqual(Object.keys(statuses).sort(), [
        "",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "kvlab.v1.DataService",
        "kvlab.v1.RouterService",
      ]);
      assert.equal(statuses[data]?.status, Status.NOT_SERVING);
      assert.equal(statuses[""]?.status, Status.SERVING);
    } finally {
      await node.close();
    }
  });

  for (const name of ["gRPC", "Connect over HTTP/1.1"] as const) {
    it(`reports every change, and nothing else: ${name}`, { timeout }, async () => {
      const health = switchboard();
      const node = await startToyNode({ health });
      try {
        const client = createClient(Health, transportsTo(node.baseUrl)[name]);
        const hangUp = new AbortController();
        const told: Status[] = [];
        const watching = (async () => {
          for await (const { status } of client.watch({ service: data }, { signal: hangUp.signal })) {
            told.push(status);
            // A change of something else, and a change that is none.
            health.set("", told.length % 2 === 0);
            if (told.length < 4) health.set(data, told.length % 2 === 0);
            else hangUp.abort();
          }
        })();
        await assert.rejects(watching, { code: Code.Canceled });
        const { SERVING, NOT_SERVING } = Status;
        assert.deepEqual(told, [SERVING, NOT_SERVING, SERVING, NOT_SERVING]);
        await until("the node forgets who hung up", 5_000, () => health.listeners.size === 0);
      } finally {
        await node.close();
      }
    });
  }

  it("keeps watching an unknown service until the server closes", { timeout }, async () => {
    const health = switchboard();
    const node = await startToyNode({ health });
    const client = createClient(Health, transportsTo(node.baseUrl).gRPC);
    const told: Status[] = [];
    let closed: Promise<void> | undefined;
    for await (const { status } of client.watch({ service: "no.Service" })) {
      told.push(status);
      health.set(data, false);
      closed ??= node.close();
    }
    assert.deepEqual(told, [Status.SERVICE_UNKNOWN]);
    await closed;
    assert.equal(health.listeners.size, 0);
  });
});
