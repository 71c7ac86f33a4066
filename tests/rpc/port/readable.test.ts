import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { defaultValueBytesMax } from "../../../src/common/key-limits.ts";
import { startEmbeddedCluster } from "../../support/embedded-cluster.ts";

// Whatever was accepted can be read: in every protocol and format, alone and in streams.

const timeout = 120_000;
const cluster = await startEmbeddedCluster();
after(() => cluster.close());

const address = cluster.routers[0]?.address ?? "";
const baseUrl = `http://${address}`;
const data = createClient(DataService, cluster.transports.transportTo(address));
const router = createClient(RouterService, cluster.transports.transportTo(address));

/** As gRPC's libraries for C++, Python, Go and Java do by default. */
const grpc = createGrpcTransport({ baseUrl, readMaxBytes: 4 * 1024 * 1024, acceptCompression: [] });

const json = { baseUrl, useBinaryFormat: false, acceptCompression: [] };
const jsonTransports = {
  gRPC: createGrpcTransport(json),
  "gRPC-Web": createGrpcWebTransport({ ...json, httpVersion: "1.1" }),
  "Connect over HTTP/1.1": createConnectTransport({ ...json, httpVersion: "1.1" }),
  "Connect over HTTP/2": createConnectTransport({ ...json, httpVersion: "2" }),
};

/** The longest key, of characters that JSON spells out; and the longest time to live. */
const keyOf = (name: string) => "\u0001".repeat(4096 - name.length) + name;
const ttlMs = BigInt(100 * 365 * 24 * 3600 * 1000);

async function assertRead(transport: Transport, key: string, revision: bigint, value: Value): Promise<void> {
  const client = createClient(DataService, transport);
  const { group } = await router.locate({ key });
  assert.ok(isSame((await client.get({ key })).value, value), "by a get");
  const call = { case: "get", value: { key } } as const;
  const [answer] = (await client.exchange({ operations: [{ id: 1, call }] })).answers;
  assert.ok(answer?.answer.case === "get" && isSame(answer.answer.value.value, value), "by an exchange");
  for await (const { items } of client.scan({ group, prefix: key })) {
    for (const item of items) assert.ok(isSame(item.value, value), "by a scan");
  }
  const scope = { case: "key", value: key } as const;
  for await (const { events } of client.watch({ group, scope, afterRevision: revision - 1n })) {
    if (events.length > 0) return assert.ok(isSame(events[0]?.value, value), "by a watch");
  }
}

for (const [name, value] of Object.entries({
  "control characters": { case: "text", value: "\u0001".repeat(1_300_000) },
  "line separators": { case: "text", value: "\u2028".repeat(10_000) },
  bytes: { case: "bytes", value: new Uint8Array(1_300_000).fill(0xff) },
} as const)) {
  test(`a value of ${name} is read in JSON`, { timeout }, async () => {
    const key = keyOf(name);
    const { revision } = await data.put({ key, value, ttlMs });
    for (const transport of Object.values(jsonTransports)) await assertRead(transport, key, revision, value);
  });
}

test("the longest value that is allowed by default fits into a message of 4 MiB", { timeout }, async () => {
  const key = keyOf("longest");
  const value = { case: "bytes", value: new Uint8Array(defaultValueBytesMax) } as const;
  const { revision } = await data.put({ key, value, ttlMs });
  await assertRead(grpc, key, revision, value);
});

test("half of a surrogate pair is no text and no key, in JSON too", async () => {
  for (const body of ['{"key":"a","text":"\\ud800"}', '{"key":"\\udc00","text":"x"}']) {
    const answer = await fetch(`${baseUrl}/kvlab.v1.DataService/Put`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    assert.equal(answer.status, 400);
    assert.equal((await answer.json()).code, "invalid_argument");
  }
  await assert.rejects(data.get({ key: "a" }), (error) => ConnectError.from(error).code === Code.NotFound);
});

type Value = { case?: string | undefined; value?: string | Uint8Array | undefined };

function isSame(found: Value | undefined, expected: Value): boolean {
  if (found?.case !== expected.case || found?.value === undefined || expected.value === undefined)
    return false;
  return Buffer.from(found.value as string).equals(Buffer.from(expected.value as string));
}
