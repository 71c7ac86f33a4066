import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { DataService, GetRequestSchema, PutRequestSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import {
  ConditionFailedSchema,
  NotAppliedSchema,
  OutcomeUnknownSchema,
} from "../../../gen/kvlab/v1/errors_pb.ts";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import type { TopologySource } from "../../../src/cluster/metadata/topology.ts";
import { toConnectError } from "../../../src/rpc/errors.ts";
import { Forwarder } from "../../../src/rpc/forwarding/forwarder.ts";
import { pipeHandlers } from "../../../src/rpc/kv/pipe-service.ts";
import type { UnaryCalls } from "../../../src/rpc/kv/unary-calls.ts";
import { duplexOver } from "../../support/duplex-over.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { OneGroup } from "./one-group.ts";

const clock = new VirtualClock();

/** What a primary does with a call before it answers. */
type Primary = (address: string, signal: AbortSignal) => Promise<void>;

/** Forwards to primaries that do as `primary` says. */
function forwardingTo(source: TopologySource, primary: Primary = async () => {}) {
  const callsAt = (address: string): Pick<UnaryCalls, "get" | "put"> => ({
    async get(_, { signal }) {
      await primary(address, signal);
      return { value: { case: "text", value: "value" }, revision: 1n };
    },
    async put(_, { signal }) {
      await primary(address, signal);
      return { revision: 1n };
    },
  });
  const transportTo = (address: string) =>
    createRouterTransport(({ service }) =>
      service(DataService, pipeHandlers(callsAt(address) as UnaryCalls, clock)),
    );
  const duplexTo = (address: string) => duplexOver(transportTo(address));
  const forwarder = new Forwarder({ source, clock, connections: { transportTo, duplexTo, close() {} } });
  const within = (signal: AbortSignal) => ({ signal, timeoutMs: () => 10_000 });
  return {
    async read(signal = new AbortController().signal): Promise<unknown> {
      const { value } = await forwarder.get(create(GetRequestSchema, { key: "a" }), within(signal));
      return value.value;
    },
    async write(signal = new AbortController().signal): Promise<bigint> {
      const value = { case: "text", value: "1" } as const;
      const { revision } = await forwarder.put(create(PutRequestSchema, { key: "a", value }), within(signal));
      return revision;
    },
    async writeNamed(): Promise<bigint> {
      const put = { key: "a", value: { case: "text", value: "1" }, requestId: { id: "1" } } as const;
      const end = within(new AbortController().signal);
      return (await forwarder.put(create(PutRequestSchema, put), end)).revision;
    },
    /** The groups that the answers to a put and a get name. */
    async groups(): Promise<readonly string[]> {
      const end = within(new AbortController().signal);
      const value = { case: "text", value: "1" } as const;
      const put = await forwarder.put(create(PutRequestSchema, { key: "a", value }), end);
      const get = await forwarder.get(create(GetRequestSchema, { key: "a" }), end);
      return [put.group, get.group];
    },
  };
}

/** A primary that never answers. */
function silence(): Promise<never> {
  return new Promise(() => {});
}

function notApplied(): ConnectError {
  return toConnectError(new OperationError("unavailable", "not now"));
}

test("a read that waits for a primary which was replaced goes to the new one", async () => {
  const source = new OneGroup();
  source.primary("old:1");
  const asked: string[] = [];
  const { read } = forwardingTo(source, async (address) => {
    asked.push(address);
    if (address === "old:1") await silence();
  });
  const reading = read();
  await clock.until("the old primary is asked", () => asked.length === 1);
  source.primary("new:1");
  assert.equal(await clock.settled(reading), "value");
  assert.deepEqual(asked, ["old:1", "new:1"]);
});

test("a write that waits for a primary which was replaced ends with an unknown outcome, and is not repeated", async () => {
  const source = new OneGroup();
  source.primary("old:1");
  const asked: string[] = [];
  const { write } = forwardingTo(source, (address) => {
    asked.push(address);
    return silence();
  });
  const writing = write();
  await clock.until("the old primary is asked", () => asked.length === 1);
  source.primary("new:1");
  const error = await clock.settled(writing).then(unexpected, ConnectError.from);
  assert.equal(error.findDetails(OutcomeUnknownSchema).length, 1);
  assert.deepEqual(asked, ["old:1"]);
});

test("a replaced primary that answers within a moment has answered", async () => {
  const source = new OneGroup();
  source.primary("old:1");
  const waiting: (() => void)[] = [];
  const { write } = forwardingTo(source, () => new Promise((resolve) => waiting.push(resolve)));
  const writing = write();
  await clock.until("the old primary is asked", () => waiting.length === 1);
  source.primary("new:1");
  await clock.pass(100);
  waiting[0]?.();
  assert.equal(await clock.settled(writing), 1n);
});

test("as many writes as may be in flight, all without an answer, delay no read", async () => {
  const source = new OneGroup();
  source.primary("a:1");
  let writes = 0;
  const stuck = forwardingTo(source, () => (++writes <= 256 ? silence() : Promise.resolve()));
  for (let count = 0; count < 300; count++) void stuck.write().catch(() => {});
  await clock.until("the primary has as many as it takes", () => writes === 256);
  assert.equal(await clock.settled(stuck.read()), "value");
});

test("of writes whose time is over, the outcome of those that were sent is unknown; of the others nothing was done", async () => {
  const source = new OneGroup();
  source.primary("a:1");
  let asked = 0;
  const { write } = forwardingTo(source, () => {
    asked++;
    return silence();
  });
  const ending = new AbortController();
  const writes = Array.from({ length: 300 }, () => write(ending.signal).then(unexpected, ConnectError.from));
  await clock.until("the primary has as many as it takes", () => asked === 256);
  ending.abort(new ConnectError("the time is over", Code.DeadlineExceeded));
  const errors = await clock.settled(Promise.all(writes));
  const unknown = errors.filter((error) => error.findDetails(OutcomeUnknownSchema).length === 1);
  const untouched = errors.filter((error) => error.findDetails(NotAppliedSchema).length === 1);
  assert.deepEqual([unknown.length, untouched.length], [256, 44]);
  assert.ok(untouched.every(({ code }) => code === Code.DeadlineExceeded));
  assert.equal(asked, 256);
});

test("a write that was certainly not applied is repeated until it is", async () => {
  const source = new OneGroup();
  source.primary("a:1");
  let attempts = 0;
  const { write } = forwardingTo(source, async () => {
    if (++attempts < 4) throw notApplied();
  });
  assert.equal(await clock.settled(write()), 1n);
  assert.equal(attempts, 4);
});

test("a write over a connection that broke is not repeated; a read is", async () => {
  const source = new OneGroup();
  source.primary("a:1");
  let attempts = 0;
  const { read, write } = forwardingTo(source, async () => {
    if (++attempts === 1) throw new ConnectError("the connection broke", Code.Unavailable);
  });
  const error = await clock.settled(write()).then(unexpected, ConnectError.from);
  assert.equal(error.findDetails(OutcomeUnknownSchema).length, 1);
  assert.equal(attempts, 1);
  attempts = 0;
  assert.equal(await clock.settled(read()), "value");
});

test("a write whose answer was lost, and whose group then goes down, says in which group it may have been applied", async () => {
  const source = new OneGroup();
  source.primary("a:1");
  const { writeNamed } = forwardingTo(source, async () => {
    source.primary(undefined);
    throw new ConnectError("the connection broke", Code.Unavailable);
  });
  const error = await clock.settled(writeNamed()).then(unexpected, ConnectError.from);
  assert.deepEqual(
    error.findDetails(OutcomeUnknownSchema).map(({ group }) => group),
    ["g"],
  );
  assert.match(
    error.rawMessage,
    /^the write to group "g" may or may not have been applied: group "g" has no /,
  );
});

test("what the primary says of the call itself is passed on with its details", async () => {
  const source = new OneGroup();
  source.primary("a:1");
  const refusal = new OperationError("condition-failed", "it has another revision", {
    key: "a",
    revision: 7,
  });
  const { write } = forwardingTo(source, () => Promise.reject(toConnectError(refusal)));
  const error = await clock.settled(write()).then(unexpected, ConnectError.from);
  assert.equal(error.code, Code.FailedPrecondition);
  assert.equal(error.rawMessage, "it has another revision");
  assert.deepEqual(
    error.findDetails(ConditionFailedSchema).map(({ key, revision }) => ({ key, revision })),
    [{ key: "a", revision: 7n }],
  );
});

test("an answer names the group that has given it", async () => {
  const source = new OneGroup();
  source.primary("first:1");
  assert.deepEqual(await clock.settled(forwardingTo(source).groups()), ["g", "g"]);
});

test("a group without a live node is unavailable after a moment; one that comes back in it is not", async () => {
  const source = new OneGroup();
  const { read } = forwardingTo(source);
  source.primary(undefined);
  const unavailable = assert.rejects(read(), {
    code: Code.Unavailable,
    rawMessage: /^group "g" has no primary now: of its in-sync replicas \(node 1\) none is there$/,
  });
  await clock.settled(unavailable);
  const back = read();
  await clock.pass(100);
  source.primary("a:1");
  assert.equal(await clock.settled(back), "value");
});

test("before ZooKeeper has been reached, and before there is a ring, callers are told so after a moment", async () => {
  const source = new OneGroup();
  const { read } = forwardingTo(source);
  const began = clock.monotonicMs();
  await assert.rejects(clock.settled(read()), {
    code: Code.Unavailable,
    rawMessage: "ZooKeeper has not been reached",
  });
  assert.ok(clock.monotonicMs() - began <= 1000);
  source.empty();
  await assert.rejects(clock.settled(read()), {
    code: Code.Unavailable,
    rawMessage: "no group is in the ring yet: no data node has registered",
  });
  assert.ok(clock.monotonicMs() - began <= 7000);
  const early = read();
  await clock.pass(100);
  source.primary("a:1");
  assert.equal(await clock.settled(early), "value");
});

function unexpected(value: unknown): never {
  assert.fail(`there was an answer: ${value}`);
}
