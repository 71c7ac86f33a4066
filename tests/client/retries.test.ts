import assert from "node:assert/strict";
import { after, afterEach, describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { KvClient, KvError, type KvErrorCode } from "kvlab";
import type { PutRequest } from "../../gen/kvlab/v1/data_pb.ts";
import { ConditionFailedSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { systemEnvironment } from "../../src/client/environment.ts";
import { ForwardClock } from "../support/forward-clock.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";
import { never, notApplied, requestForgotten, startToyServer, topologyOf, wrongNode } from "./toy-cluster.ts";

const timeout = 30_000;

// A router, which lives; and two data nodes, of which the first is reached through a proxy.
const router = await startToyServer();
const [first, second] = [await startToyServer(), await startToyServer()];
const proxy = await startTcpProxy(first.address);
const standard = { ...first };
let kv = new KvClient({ routers: router.address });
reset();
afterEach(reset);
after(async () => {
  kv.close();
  await proxy.close();
  await Promise.all([router.close(), first.close(), second.close()]);
});

function reset(): void {
  kv.close();
  proxy.setMode("pass");
  for (const server of [first, second]) Object.assign(server, { get: standard.get, put: standard.put });
  router.tell(topologyOf({ g: proxy.address }));
  kv = new KvClient({ routers: router.address });
}

function failsWith(code: KvErrorCode) {
  return (error: unknown) => error instanceof KvError && error.code === code;
}

/** Keeps the requests that come to the first node; `answer` is given the number of the request, from 1. */
function recordPuts(answer: (count: number) => Promise<{ revision: bigint }>): PutRequest[] {
  const requests: PutRequest[] = [];
  first.put = (request) => answer(requests.push(request));
  return requests;
}

/** Lets the first node take calls and never answer them. */
function silence(onCall: () => void): void {
  const hold = (_request: unknown, signal: AbortSignal) => {
    onCall();
    return never(signal);
  };
  Object.assign(first, { get: hold, put: hold });
}

/** Breaks the connection before the answer is through. */
async function loseAnswer(): Promise<{ revision: bigint }> {
  proxy.setMode("cut");
  proxy.setMode("pass");
  return { revision: 1n };
}

describe("a call to the wrong node", () => {
  it("goes on to the one that is named", { timeout }, async () => {
    const puts = recordPuts(() => Promise.reject(wrongNode(second.address)));
    second.put = async () => ({ revision: 7n });
    assert.equal((await kv.put("a", "1")).revision, 7);
    assert.equal(puts.length, 1);
  });

  it("does not go on to the one that is named by an older ring than the client knows", {
    timeout,
  }, async () => {
    router.tell(topologyOf({ g: proxy.address }, 1n, 7n));
    await kv.get("a");
    let strayed = 0;
    second.put = async () => ({ revision: BigInt(++strayed) });
    // The first node knows less at first, and then that it is the primary.
    const puts = recordPuts((count) =>
      count < 3 ? Promise.reject(wrongNode(second.address, 6n)) : Promise.resolve({ revision: 9n }),
    );
    assert.equal((await kv.put("a", "1")).revision, 9);
    assert.deepEqual([puts.length, strayed], [3, 0]);
    recordPuts(() => Promise.reject(wrongNode(second.address, 8n)));
    assert.equal((await kv.put("a", "1")).revision, 1);
  });

  it("is repeated when nobody else is named", { timeout }, async () => {
    recordPuts((count) =>
      count < 3 ? Promise.reject(wrongNode("")) : Promise.resolve({ revision: BigInt(count) }),
    );
    assert.equal((await kv.put("a", "1")).revision, 3);
  });
});

describe("a write", () => {
  it("whose answer is lost is sent again under the same name", { timeout }, async () => {
    await kv.get("a");
    const puts = recordPuts((count) => (count === 1 ? loseAnswer() : Promise.resolve({ revision: 5n })));
    assert.equal((await kv.put("a", "1")).revision, 5);
    assert.equal(puts.length, 2);
    assert.deepEqual(puts[0]?.requestId, puts[1]?.requestId);
    assert.match(puts[0]?.requestId?.id ?? "", /^[A-Za-z0-9_-]{18,64}$/);
  });

  it("says the latest revision that the client has seen of its group", { timeout }, async () => {
    first.get = async () => ({ revision: 41n });
    await kv.get("a");
    const puts = recordPuts(async (count) => ({ revision: BigInt(50 + count) }));
    await kv.put("a", "1");
    await kv.put("b", "2");
    assert.deepEqual(
      puts.map(({ requestId }) => requestId?.afterRevision),
      [41n, 51n],
    );
    assert.notEqual(puts[0]?.requestId?.id, puts[1]?.requestId?.id);
  });

  it("does not say what a node of another group has answered, to which it was redirected", {
    timeout,
  }, async () => {
    recordPuts(() => Promise.reject(wrongNode(second.address)));
    second.put = async () => ({ revision: 900n });
    await kv.put("a", "1");
    const puts = recordPuts(async () => ({ revision: 8n }));
    await kv.put("b", "2");
    await kv.put("b", "3");
    assert.deepEqual(
      puts.map(({ requestId }) => requestId?.afterRevision),
      [0n, 8n],
    );
  });

  it("says nothing of a group that a router has forwarded it to, and the client takes for another", {
    timeout,
  }, async () => {
    const puts = recordPuts(async (count) => ({
      revision: count === 1 ? 900n : 8n,
      group: count === 1 ? "other" : "g",
    }));
    await kv.put("a", "1");
    await kv.put("b", "2");
    await kv.put("b", "3");
    assert.deepEqual(
      puts.map(({ requestId }) => requestId?.afterRevision),
      [0n, 0n, 8n],
    );
  });

  it("that another group has forgotten says the revision of that group, and the next one that of its own", {
    timeout,
  }, async () => {
    first.get = async () => ({ revision: 1000n });
    await kv.get("a");
    const puts = recordPuts((count) =>
      count === 1
        ? Promise.reject(requestForgotten(12n, "other"))
        : Promise.resolve({ revision: 13n, group: "other" }),
    );
    await kv.put("a", "1");
    await kv.put("b", "2");
    assert.deepEqual(
      puts.map(({ requestId }) => requestId?.afterRevision),
      [1000n, 12n, 1000n],
    );
  });

  it("that is forgotten at first is sent again as new", { timeout }, async () => {
    const puts = recordPuts((count) =>
      count === 1 ? Promise.reject(requestForgotten(900n)) : Promise.resolve({ revision: 901n }),
    );
    assert.equal((await kv.put("a", "1")).revision, 901);
    assert.equal(puts[1]?.requestId?.afterRevision, 900n);
  });

  it("is sent again after a lower revision, when its group says that it is no further", {
    timeout,
  }, async () => {
    first.get = async () => ({ revision: 1000n });
    await kv.get("a");
    const puts = recordPuts((count) =>
      count === 1
        ? Promise.reject(requestForgotten(12n))
        : Promise.resolve({ revision: 12n + BigInt(count) }),
    );
    assert.equal((await kv.put("a", "1")).revision, 14);
    await kv.put("a", "2");
    assert.deepEqual(
      puts.map(({ requestId }) => requestId?.afterRevision),
      [1000n, 12n, 14n],
    );
  });

  it("that is forgotten after it may have been applied has an unknown outcome", { timeout }, async () => {
    const puts = recordPuts((count) => (count === 1 ? loseAnswer() : Promise.reject(requestForgotten(900n))));
    await assert.rejects(kv.put("a", "1"), failsWith("outcome-unknown"));
    assert.equal(puts.length, 2);
  });

  it("that may be on its way still is not called refused", { timeout }, async () => {
    const detail = { desc: ConditionFailedSchema, value: { key: "a", revision: 3n } };
    const refusal = new ConnectError("it is there", Code.FailedPrecondition, undefined, [detail]);
    recordPuts((count) => (count === 1 ? loseAnswer() : Promise.reject(refusal)));
    await assert.rejects(kv.put("a", "1", { ifAbsent: true }), failsWith("outcome-unknown"));
  });

  it("that is not applied, and then has no time left, is unavailable", { timeout }, async () => {
    for (const [code, expected] of [
      [Code.Unavailable, "unavailable"],
      [Code.ResourceExhausted, "exhausted"],
    ] as const) {
      router.tell(topologyOf({ g: proxy.address }));
      recordPuts(() => {
        // So that no other attempt is under way when the time is over.
        router.tell(topologyOf({ g: "" }));
        return Promise.reject(notApplied(code));
      });
      await assert.rejects(kv.put("a", "1", { deadlineMs: 2_000 }), failsWith(expected));
    }
  });

  it("that finds no server fails at its deadline, whatever its length", { timeout }, async () => {
    await kv.locate("a");
    proxy.setMode("silent");
    const begunMs = performance.now();
    for (const value of ["1", "v".repeat(200_000)])
      await assert.rejects(kv.put("a", value, { deadlineMs: 300 }), KvError);
    assert.ok(performance.now() - begunMs < 2_000);
  });

  it("that nobody answers has an unknown outcome, and a read has none", { timeout }, async () => {
    const clock = new ForwardClock();
    kv.close();
    kv = new KvClient({ routers: router.address }, { ...systemEnvironment, clock });
    silence(() => clock.forward(20_000));
    await assert.rejects(kv.put("a", "1", { deadlineMs: 20_000 }), failsWith("outcome-unknown"));
    await assert.rejects(kv.get("a", { deadlineMs: 20_000 }), failsWith("deadline"));
  });

  it("whose condition fails is not repeated", { timeout }, async () => {
    const detail = { desc: ConditionFailedSchema, value: { key: "a", revision: 3n } };
    const puts = recordPuts(() =>
      Promise.reject(new ConnectError("it is there", Code.FailedPrecondition, undefined, [detail])),
    );
    await assert.rejects(kv.put("a", "1", { ifAbsent: true }), failsWith("condition-failed"));
    assert.equal(puts.length, 1);
  });

  it("that the server fails at in its own way is not repeated", { timeout }, async () => {
    const puts = recordPuts(() => Promise.reject(new ConnectError("a bug", Code.Internal)));
    await assert.rejects(kv.put("a", "1"), failsWith("outcome-unknown"));
    assert.equal(puts.length, 1);
  });
});

describe("a primary", () => {
  it("that is replaced while it is silent is given up for the new one", { timeout }, async () => {
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>();
    silence(asked);
    second.put = async () => ({ revision: 8n });
    const calls = Promise.all([kv.put("a", "1"), kv.get("a")]);
    await isAsked;
    router.tell(topologyOf({ g: second.address }, 2n));
    const [{ revision }] = await calls;
    assert.equal(revision, 8);
  });

  it("that is replaced while it is silent is given up by large calls, too", { timeout }, async () => {
    let asked = 0;
    silence(() => asked++);
    second.put = async () => ({ revision: 8n });
    // More than are sent to one server at a time.
    const calls = Array.from({ length: 10 }, (_, index) =>
      kv.put(`a${index}`, "v".repeat(200_000), { deadlineMs: 5_000 }),
    );
    await until("calls are under way", timeout, () => asked > 0);
    router.tell(topologyOf({ g: second.address }, 2n));
    for (const { revision } of await Promise.all(calls)) assert.equal(revision, 8);
  });

  it("that is replaced while it is silent is given up, also if its group had none in between", {
    timeout,
  }, async () => {
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>();
    silence(asked);
    second.put = async () => ({ revision: 8n });
    const calls = Promise.all([kv.put("a", "1"), kv.get("a")]);
    await isAsked;
    router.tell(topologyOf({ g: "" }));
    await until("it is heard", timeout, async () => (await kv.locate("a")).address === undefined);
    router.tell(topologyOf({ g: second.address }, 2n));
    const [{ revision }] = await calls;
    assert.equal(revision, 8);
  });

  it("is waited for while its group has none", { timeout }, async () => {
    router.tell(topologyOf({ g: "" }));
    const put = kv.put("a", "1");
    await kv.locate("a");
    router.tell(topologyOf({ g: second.address }, 2n));
    assert.equal((await put).revision, 1);
  });
});
