import assert from "node:assert/strict";
import * as http2 from "node:http2";
import { after, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  DataService,
  EventKind,
  GetRequestSchema,
  PutRequestSchema,
  type WatchResponse,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { ConditionFailedSchema, HistoryLostSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { enveloped } from "../../../src/common/envelopes.ts";
import { startEmbeddedCluster } from "../../support/embedded-cluster.ts";
import { rawExchange } from "../../support/raw-exchange.ts";

// Conditions, batches, request ids, expiry, scans and watches as a caller of the services sees them.

const cluster = await startEmbeddedCluster({ valueBytesMax: 100_000 });
after(() => cluster.close());

const address = cluster.routers[0]?.address ?? "";
const data = createClient(DataService, cluster.transports.transportTo(address));
const router = createClient(RouterService, cluster.transports.transportTo(address));

const text = (value: string) => ({ case: "text" as const, value });

async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  return await call.then(
    () => assert.fail("it was answered"),
    (error) => ConnectError.from(error),
  );
}

test("a refused condition is FAILED_PRECONDITION with the key and its revision", async () => {
  const { revision } = await data.put({
    key: "c",
    value: text(""),
    condition: { case: "ifAbsent", value: true },
  });
  for (const condition of [
    { case: "ifAbsent" as const, value: true },
    { case: "ifRevision" as const, value: revision + 1n },
  ]) {
    const error = await failureOf(data.put({ key: "c", value: text(""), condition }));
    assert.equal(error.code, Code.FailedPrecondition);
    assert.deepEqual(
      error.findDetails(ConditionFailedSchema).map(({ key, revision }) => ({ key, revision })),
      [{ key: "c", revision }],
    );
  }
  const absent = await failureOf(data.delete({ key: "c2", condition: { case: "ifPresent", value: true } }));
  assert.equal(absent.findDetails(ConditionFailedSchema)[0]?.revision, 0n);
  await data.delete({ key: "c", condition: { case: "ifRevision", value: revision } });
});

test("an error about a key of any length fits into the header fields that gRPC clients accept by default", async () => {
  const session = http2.connect(`http://${address}`);
  try {
    const call = async (method: string, message: Uint8Array) => {
      const headers = { ":path": `/kvlab.v1.DataService/${method}`, "content-type": "application/grpc" };
      const { head, trailers } = await rawExchange(session, { headers, chunks: [enveloped(0, message)] });
      // As RFC 9113, 6.5.2, counts them.
      const sizes = Object.entries(trailers).map(([name, field]) => name.length + String(field).length + 32);
      assert.equal(head[":status"], 200);
      assert.ok(sizes.reduce((sum, size) => sum + size, 0) < 8192, `${method}: ${sizes}`);
      return Number(trailers["grpc-status"]);
    };
    for (const character of ["a", '"', "\u0001", "ä", "中", "😀"]) {
      const key = character.repeat(Math.floor(4096 / Buffer.byteLength(character)));
      const condition = { case: "ifAbsent", value: true } as const;
      const put = toBinary(PutRequestSchema, create(PutRequestSchema, { key, value: text(""), condition }));
      const get = toBinary(GetRequestSchema, create(GetRequestSchema, { key }));
      assert.equal(await call("Get", get), Code.NotFound);
      assert.equal(await call("Put", put), 0);
      assert.equal(await call("Put", put), Code.FailedPrecondition);
    }
  } finally {
    session.destroy();
  }
});

test("a router says of a call without any time that its time is over, not that something is missing", async () => {
  for (const method of ["Get", "Put"]) {
    const answer = await fetch(`http://${address}/kvlab.v1.DataService/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json", "connect-timeout-ms": "0" },
      body: method === "Get" ? '{"key":"late"}' : '{"key":"late","text":""}',
    });
    const { code, message, details } = await answer.json();
    assert.deepEqual([code, details[0].type], ["deadline_exceeded", "kvlab.v1.NotApplied"], message);
  }
  assert.equal((await failureOf(data.get({ key: "late" }))).code, Code.NotFound);
});

test("a batch is done as a whole, and its keys must be of one group", async () => {
  const put = (key: string, value: string) => ({
    operation: { case: "put" as const, value: { key, value: text(value) } },
  });
  const { revision } = await data.batch({ operations: [put("{b}1", "x"), put("{b}2", "y")] });
  assert.equal((await data.get({ key: "{b}2" })).revision, revision);
  const refused = await failureOf(
    data.batch({
      compares: [{ key: "{b}1", condition: { case: "ifRevision", value: revision - 1n } }],
      operations: [put("{b}2", "z")],
    }),
  );
  assert.equal(refused.findDetails(ConditionFailedSchema)[0]?.key, "{b}1");
  assert.equal((await data.get({ key: "{b}2" })).value.value, "y");

  const keys = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      return { key: `k${index}`, group: (await router.locate({ key: `k${index}` })).group };
    }),
  );
  const [one] = keys;
  const other = keys.find(({ group }) => group !== one?.group);
  const apart = await failureOf(
    data.batch({ operations: [put(one?.key ?? "", "1"), put(other?.key ?? "", "2")] }),
  );
  assert.equal(apart.code, Code.InvalidArgument);
  assert.match(apart.message, /\{tag\}/);
});

test("a batch may have 1,000 operations, also when each has a condition", async () => {
  const operations = Array.from({ length: 1000 }, (_, index) => ({
    operation: {
      case: "put" as const,
      value: {
        key: `{full}${index}`,
        value: text(""),
        condition: { case: "ifAbsent" as const, value: true },
      },
    },
  }));
  const { revision } = await data.batch({ operations });
  assert.equal((await data.get({ key: "{full}999" })).revision, revision);
  assert.equal((await failureOf(data.batch({ operations }))).code, Code.FailedPrecondition);
});

test("bad input of a write names the thing, its value and what is allowed, and writes nothing", async () => {
  const put = { operation: { case: "put" as const, value: { key: "bad", value: text("") } } };
  const cases: [() => Promise<unknown>, RegExp][] = [
    [() => data.put({ key: "bad", value: text(""), ttlMs: 0n }), /ttl_ms is 0; allowed are 1 to/],
    [
      () => data.put({ key: "bad", value: text(""), ttlMs: 2n ** 64n - 1n }),
      /ttl_ms is 18446744073709551615; allowed are 1 to/,
    ],
    [
      () => data.put({ key: "bad", value: text(""), requestId: { id: "a b" } }),
      /request id is "a b"; allowed are 1 to 64/,
    ],
    [() => data.put({ key: "bad" }), /has no value; one of text and bytes is needed/],
    [
      () => data.put({ key: "bad", value: text(""), condition: { case: "ifRevision", value: 0n } }),
      /if_revision is 0; allowed are 1 to/,
    ],
    [() => data.batch({}), /no compares and no operations/],
    [() => data.batch({ operations: [{}] }), /must be a put or a delete/],
    [() => data.batch({ operations: [put, put] }), /writes key "bad" twice/],
    [() => data.batch({ compares: [{ key: "bad" }] }), /has no condition/],
    [
      () => data.batch({ operations: Array.from({ length: 1001 }, () => put) }),
      /1001 compares and operations; at most 1000/,
    ],
  ];
  for (const [call, message] of cases) {
    const error = await failureOf(call());
    assert.equal(error.code, Code.InvalidArgument, error.message);
    assert.match(error.message, message);
  }
  assert.equal((await failureOf(data.get({ key: "bad" }))).code, Code.NotFound);
});

test("a request with an id is done once however often it is sent", async () => {
  const request = { key: "once", value: text("1"), requestId: { id: "once-1", afterRevision: 0n } };
  const first = await data.put(request);
  await data.put({ key: "once", value: text("2") });
  assert.equal((await data.put(request)).revision, first.revision);
  assert.equal((await data.get({ key: "once" })).value.value, "2");
});

test("a key with a time to live tells what is left of it, and goes", async () => {
  await data.put({ key: "ttl", value: text(""), ttlMs: 60_000n });
  const { ttlLeftMs = 0n } = await data.get({ key: "ttl" });
  assert.ok(ttlLeftMs > 0n && ttlLeftMs <= 60_000n);
  const { group } = await router.locate({ key: "short" });
  const gone = new AbortController();
  const events = data.watch({ group, scope: { case: "key", value: "short" } }, { signal: gone.signal });
  let isPut = false;
  for await (const { events: told } of events) {
    if (!isPut) await data.put({ key: "short", value: text(""), ttlMs: 1n });
    isPut = true;
    if (told.some(({ kind }) => kind === EventKind.EXPIRE)) break;
  }
  assert.equal((await failureOf(data.get({ key: "short" }))).code, Code.NotFound);
});

test("a scan gives the keys of a group in the order of their bytes, within bounds, in both directions", async () => {
  const keys = ["{s}a", "{s}b", "{s}é", "{s}\ufffd", "{s}😀"];
  for (const key of [...keys].reverse()) await data.put({ key, value: text(key) });
  const { group } = await router.locate({ key: "{s}" });
  const scanned = async (request: object): Promise<string[]> => {
    const found: string[] = [];
    for await (const { items } of data.scan({ group, prefix: "{s}", ...request })) {
      for (const { key } of items) found.push(key);
    }
    return found;
  };
  assert.deepEqual(await scanned({}), keys);
  assert.deepEqual(await scanned({ reverse: true }), keys.toReversed());
  assert.deepEqual(await scanned({ start: "{s}b", end: "{s}😀" }), keys.slice(1, 4));
  assert.deepEqual(await scanned({ after: "{s}b", limit: 2n }), keys.slice(2, 4));
  assert.deepEqual(await scanned({ prefix: "{s}no such" }), []);
  for await (const { items } of data.scan({ group, prefix: "{s}a", keysOnly: true })) {
    assert.deepEqual(
      items.map(({ value }) => value.case),
      items.map(() => undefined),
    );
  }
});

test("a scan may have any limit, of one group and of all", async () => {
  await data.put({ key: "{limit}", value: text("") });
  const { group } = await router.locate({ key: "{limit}" });
  for (const limit of [1n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
    for (const asked of [group, ""]) {
      const found: string[] = [];
      for await (const { items } of data.scan({ group: asked, prefix: "{limit}", limit })) {
        for (const { key } of items) found.push(key);
      }
      assert.deepEqual(found, ["{limit}"], `limit ${limit} of ${asked}`);
    }
  }
});

test("a scan shows one moment, however much is written while it is read", async () => {
  const key = (index: number) => `{moment}${String(index).padStart(3, "0")}`;
  const value = "x".repeat(10_000);
  for (let index = 0; index < 100; index++) await data.put({ key: key(index), value: text(`0${value}`) });
  const { group } = await router.locate({ key: "{moment}" });
  const found: string[] = [];
  for await (const { items } of data.scan({ group, prefix: "{moment}" })) {
    if (found.length === 0) {
      await data.put({ key: key(99), value: text("1") });
      await data.delete({ key: key(98) });
      await data.put({ key: `${key(97)}x`, value: text("1") });
    }
    for (const item of items) found.push(`${item.key} ${String(item.value.value)[0]}`);
  }
  assert.deepEqual(
    found,
    Array.from({ length: 100 }, (_, index) => `${key(index)} 0`),
  );
});

test("a revision is of one group, and a token of all: each without the other's scope is refused", async () => {
  const next = (request: object) => failureOf(data.watch(request)[Symbol.asyncIterator]().next());
  const cases: [object, RegExp][] = [
    [{ afterRevision: 1n }, /set group to one of zdata1, zdata2, or give after_token/],
    [{ afterEpoch: 1n }, /after_epoch is given without group/],
    [{ group: "zdata1", afterToken: "" }, /after_token is of a watch of all groups, and group is "zdata1"/],
    [{ afterToken: "" }, /^after_token: this is no token of a watch or scan/],
  ];
  for (const [request, message] of cases) {
    const error = await next(request);
    assert.equal(error.code, Code.InvalidArgument, error.message);
    assert.match(error.rawMessage, message);
  }
  const unknown = await failureOf(data.scan({ group: "nope" })[Symbol.asyncIterator]().next());
  assert.equal(unknown.code, Code.NotFound);
});

test("a data node has the keys of one group, and says so when it is asked for all", async () => {
  const { address, group } = await router.locate({ key: "a" });
  const node = createClient(DataService, cluster.transports.transportTo(address));
  const message = `this node has only keys of group "${group}": set group to "${group}", or ask a router, which answers for all groups`;
  for (const stream of [node.scan({}), node.watch({})]) {
    const error = await failureOf(stream[Symbol.asyncIterator]().next());
    assert.deepEqual([error.code, error.rawMessage], [Code.InvalidArgument, message]);
  }
  const { value } = await node.scan({ group, keysOnly: true })[Symbol.asyncIterator]().next();
  const { topology } = await router.getTopology({});
  assert.equal(value.ringVersion, topology?.ringVersion);
});

test("a watch goes on after the revision that it is given, and says when that is not possible", async () => {
  const { group } = await router.locate({ key: "{w}" });
  const first = await data.put({ key: "{w}a", value: text("1") });
  await data.put({ key: "{w}a", value: text("2") });
  await data.delete({ key: "{w}a" });
  const told: WatchResponse["events"] = [];
  const scope = { case: "prefix" as const, value: "{w}" };
  for await (const { events } of data.watch({
    group,
    scope,
    afterRevision: first.revision,
    previous: true,
  })) {
    told.push(...events);
    if (told.length === 2) break;
  }
  assert.deepEqual(
    told.map(({ kind, key, value, previous }) => [kind, key, value.value, previous?.value.value]),
    [
      [EventKind.PUT, "{w}a", "2", "1"],
      [EventKind.DELETE, "{w}a", undefined, "2"],
    ],
  );
  const ahead = await failureOf(
    data.watch({ group, afterRevision: 1_000_000n })[Symbol.asyncIterator]().next(),
  );
  assert.equal(ahead.code, Code.OutOfRange);
  assert.equal(ahead.findDetails(HistoryLostSchema).length, 1);
});
