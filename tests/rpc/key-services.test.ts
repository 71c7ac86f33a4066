import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  type Answer,
  DataService,
  EventKind,
  type PipeRequestSchema,
  type WatchResponse,
} from "../../gen/kvlab/v1/data_pb.ts";
import { ConditionFailedSchema, HistoryLostSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";

// Conditions, batches, request ids, expiry, scans, watches and pipes as a caller of the services sees them.

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
  const { revision } = await data.put({ key: "c", condition: { case: "ifAbsent", value: true } });
  for (const condition of [
    { case: "ifAbsent" as const, value: true },
    { case: "ifRevision" as const, value: revision + 1n },
  ]) {
    const error = await failureOf(data.put({ key: "c", condition }));
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

test("bad input of a write names the thing, its value and what is allowed, and writes nothing", async () => {
  const put = { operation: { case: "put" as const, value: { key: "bad" } } };
  const cases: [() => Promise<unknown>, RegExp][] = [
    [() => data.put({ key: "bad", ttlMs: 0n }), /ttl_ms is 0; allowed are 1 to/],
    [() => data.put({ key: "bad", requestId: { id: "a b" } }), /request id is "a b"; allowed are 1 to 64/],
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
  await data.put({ key: "ttl", ttlMs: 60_000n });
  const { ttlLeftMs = 0n } = await data.get({ key: "ttl" });
  assert.ok(ttlLeftMs > 0n && ttlLeftMs <= 60_000n);
  const { group } = await router.locate({ key: "short" });
  const gone = new AbortController();
  const events = data.watch({ group, scope: { case: "key", value: "short" } }, { signal: gone.signal });
  let isPut = false;
  for await (const { events: told } of events) {
    if (!isPut) await data.put({ key: "short", ttlMs: 1n });
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

test("a scan or watch at a router must name its group, at a data node another is refused", async () => {
  const none = await failureOf(data.watch({})[Symbol.asyncIterator]().next());
  assert.equal(none.code, Code.InvalidArgument);
  assert.match(none.message, /set group to one of zdata1, zdata2/);
  const unknown = await failureOf(data.scan({ group: "nope" })[Symbol.asyncIterator]().next());
  assert.equal(unknown.code, Code.NotFound);
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

test("calls of a pipe are answered in any order, each with its own outcome", async () => {
  const value = text("piped");
  const answers = await pipe(address, [
    [
      { id: 1, call: { case: "put", value: { key: "p1", value } } },
      { id: 2, call: { case: "get", value: { key: "no such key" } } },
      { id: 3 },
    ],
    [{ id: 4, call: { case: "put", value: { key: "p1", condition: { case: "ifRevision", value: 1n } } } }],
  ]);
  assert.deepEqual([...answers.keys()].sort(), [1, 2, 3, 4]);
  assert.equal(answers.get(1)?.answer.case, "put");
  const codes = [2, 3, 4].map((id) => {
    const answer = answers.get(id)?.answer;
    return answer?.case === "failure" ? answer.value.code : undefined;
  });
  assert.deepEqual(codes, [Code.NotFound, Code.InvalidArgument, Code.FailedPrecondition]);
  const refusal = answers.get(4)?.answer;
  assert.ok(refusal?.case === "failure");
  assert.equal(refusal.value.details[0]?.typeUrl, "type.googleapis.com/kvlab.v1.ConditionFailed");
});

test("thousands of calls with much more than 64 KiB of answers pass through one pipe", async () => {
  const value = { case: "bytes" as const, value: new Uint8Array(50_000) };
  await data.put({ key: "large", value });
  const { address: primary } = await router.locate({ key: "large" });
  const messages = Array.from({ length: 30 }, (_, message) =>
    Array.from({ length: 100 }, (_, index) => {
      const id = message * 100 + index + 1;
      return { id, call: { case: "get" as const, value: { key: id % 10 === 0 ? "large" : "no such key" } } };
    }),
  );
  for (const to of [address, primary]) {
    const answers = await pipe(to, messages);
    assert.equal(answers.size, 3000);
    const large = [...answers.values()].filter(({ answer }) => answer.case === "get");
    assert.equal(large.length, 300);
  }
});

test("an exchange is a message of a pipe as a call of its own", async () => {
  const { answers } = await data.exchange({
    operations: [
      { id: 7, call: { case: "put", value: { key: "x", value: text("1") } } },
      { id: 8, call: { case: "get", value: { key: "no such key" } } },
    ],
  });
  assert.deepEqual(
    answers.map(({ id, answer }) => [id, answer.case]),
    [
      [7, "put"],
      [8, "failure"],
    ],
  );
});

/** Sends messages through one pipe and returns the answers by id. */
async function pipe(
  to: string,
  messages: MessageInitShape<typeof PipeRequestSchema>["operations"][],
): Promise<Map<number, Answer>> {
  // Deno's client loses what it has not read when a stream ends; our own transport, over Connect, makes up for that.
  const transport =
    "Deno" in globalThis
      ? cluster.transports.transportTo(to)
      : createGrpcTransport({ baseUrl: `http://${to}` });
  const client = createClient(DataService, transport);
  async function* requests() {
    for (const operations of messages) yield operations === undefined ? {} : { operations };
  }
  const answers = new Map<number, Answer>();
  for await (const { answers: some } of client.pipe(requests(), { timeoutMs: 30_000 })) {
    for (const answer of some) answers.set(answer.id, answer);
  }
  return answers;
}
