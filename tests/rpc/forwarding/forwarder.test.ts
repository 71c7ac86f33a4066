import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { OutcomeUnknownSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import type { Topology } from "../../../src/cluster/metadata/model.ts";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import type { TopologySource } from "../../../src/cluster/metadata/topology.ts";
import { toConnectError } from "../../../src/rpc/errors.ts";
import { untilApplied } from "../../../src/rpc/forwarding/forwarder.ts";
import { addressOf } from "../../support/address.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** One group whose primary the test chooses. */
class OneGroup implements TopologySource {
  current: Topology | undefined;
  readonly unreadReason = "ZooKeeper has not been reached";
  readonly #listeners = new Set<(topology: Topology) => void>();

  primary(address: string | undefined): void {
    const member = { number: 1, incarnation: "1" };
    const nodes = address === undefined ? [] : [{ ...member, address: addressOf(address) }];
    const state = { version: 1, value: { epoch: 1, primary: member, inSync: [member] } };
    this.current = {
      cluster: "c1",
      ring: { version: 1, value: { version: 1, virtualNodes: 2, groups: ["g"], written: true } },
      groups: new Map([["g", { name: "g", nodes, state }]]),
      routers: [],
      staleSinceMs: undefined,
    };
    for (const listener of [...this.#listeners]) listener(this.current);
  }

  /** ZooKeeper has been reached, and holds nothing. */
  empty(): void {
    this.current = {
      cluster: undefined,
      ring: undefined,
      groups: new Map(),
      routers: [],
      staleSinceMs: undefined,
    };
  }

  onChange(listener: (topology: Topology) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  waitUntil(predicate: (topology: Topology) => boolean, signal: AbortSignal): Promise<Topology> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.current !== undefined && predicate(this.current)) resolve(this.current);
      };
      this.onChange(look);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      look();
    });
  }
}

const never = new AbortController().signal;
const clock = new VirtualClock();

/** A primary that never answers. */
function silence(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(ConnectError.from(signal.reason, Code.Canceled)), {
      once: true,
    });
  });
}

function notApplied(): ConnectError {
  return toConnectError(new OperationError("unavailable", "not now"));
}

test("a read that waits for a primary which was replaced goes to the new one", async () => {
  const source = new OneGroup();
  source.primary("old:1");
  const asked: string[] = [];
  const read = untilApplied(
    { source, clock, key: "a", kind: "read", signal: never },
    async (address, signal) => {
      asked.push(address);
      if (address === "old:1") await silence(signal);
      return "value";
    },
  );
  await clock.until("the old primary is asked", () => asked.length === 1);
  source.primary("new:1");
  assert.equal(await clock.settled(read), "value");
  assert.deepEqual(asked, ["old:1", "new:1"]);
});

test("a write that waits for a primary which was replaced ends with an unknown outcome, and is not repeated", async () => {
  const source = new OneGroup();
  source.primary("old:1");
  const asked: string[] = [];
  const write = untilApplied({ source, clock, key: "a", kind: "write", signal: never }, (address, signal) => {
    asked.push(address);
    return silence(signal);
  });
  await clock.until("the old primary is asked", () => asked.length === 1);
  source.primary("new:1");
  const error = await clock.settled(write).then(assert.fail, ConnectError.from);
  assert.equal(error.findDetails(OutcomeUnknownSchema).length, 1);
  assert.deepEqual(asked, ["old:1"]);
});

test("a write that was certainly not applied is repeated until it is", async () => {
  const source = new OneGroup();
  source.primary("a:1");
  let attempts = 0;
  const write = untilApplied({ source, clock, key: "a", kind: "write", signal: never }, async () => {
    if (++attempts < 4) throw notApplied();
    return "done";
  });
  assert.equal(await clock.settled(write), "done");
  assert.equal(attempts, 4);
});

test("a write over a connection that broke is not repeated; a read is", async () => {
  const source = new OneGroup();
  source.primary("a:1");
  let attempts = 0;
  const breaking = async () => {
    if (++attempts === 1) throw new ConnectError("the connection broke", Code.Unavailable);
    return "done";
  };
  const write = untilApplied({ source, clock, key: "a", kind: "write", signal: never }, breaking);
  const error = await clock.settled(write).then(assert.fail, ConnectError.from);
  assert.equal(error.findDetails(OutcomeUnknownSchema).length, 1);
  assert.equal(attempts, 1);
  attempts = 0;
  assert.equal(
    await clock.settled(untilApplied({ source, clock, key: "a", kind: "read", signal: never }, breaking)),
    "done",
  );
});

test("what the primary says of the call itself is passed on with its details", async () => {
  const source = new OneGroup();
  source.primary("a:1");
  const refusal = toConnectError(new OperationError("not-found", "no such key"));
  const error = await untilApplied({ source, clock, key: "a", kind: "write", signal: never }, () =>
    Promise.reject(refusal),
  ).then(assert.fail, ConnectError.from);
  assert.equal(error.code, Code.NotFound);
});

test("a group without a live node is unavailable after a moment; one that comes back in it is not", async () => {
  const source = new OneGroup();
  source.primary(undefined);
  const down = untilApplied({ source, clock, key: "a", kind: "read", signal: never }, async () => "value");
  const unavailable = assert.rejects(down, {
    code: "unavailable",
    message: /^group "g" has no primary now: of its in-sync replicas \(node 1\) none is there$/,
  });
  await clock.settled(unavailable);
  const back = untilApplied({ source, clock, key: "a", kind: "read", signal: never }, async () => "value");
  await clock.pass(100);
  source.primary("a:1");
  assert.equal(await clock.settled(back), "value");
});

test("before ZooKeeper has been reached, and before there is a ring, callers are told so after a moment", async () => {
  const source = new OneGroup();
  const read = () =>
    untilApplied({ source, clock, key: "a", kind: "read", signal: never }, async () => "value");
  const began = clock.monotonicMs();
  await assert.rejects(clock.settled(read()), {
    code: "unavailable",
    message: "ZooKeeper has not been reached",
  });
  assert.ok(clock.monotonicMs() - began <= 1000);
  source.empty();
  await assert.rejects(clock.settled(read()), {
    code: "unavailable",
    message: "no group is in the ring yet: no data node has registered",
  });
  assert.ok(clock.monotonicMs() - began <= 7000);
  const early = read();
  await clock.pass(100);
  source.primary("a:1");
  assert.equal(await clock.settled(early), "value");
});
