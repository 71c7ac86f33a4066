import assert from "node:assert/strict";
import { once } from "node:events";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { createTransports, type Transports } from "../../../src/client/transport/http2.ts";
import { startToyNode, type ToyNode } from "../../support/toy-node.ts";
import { until } from "../../support/until.ts";

const timeout = 60_000;
const value = { case: "text", value: "a" } as const;

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(() => undefined, ConnectError.from);
  assert.ok(error instanceof ConnectError, "the call succeeded");
  return error;
}

function saysNotApplied(error: ConnectError): boolean {
  return error.findDetails(NotAppliedSchema).length > 0;
}

describe("calls to one address", () => {
  let node: ToyNode;
  let transports: Transports;
  let watches = 0;
  before(async () => {
    node = await startToyNode({
      headTimeoutMs: 600_000,
      async *watchTopology(_request, { signal }) {
        watches++;
        try {
          yield { topology: { ringVersion: 1n } };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        } finally {
          watches--;
        }
      },
    });
    transports = createTransports();
  });
  after(async () => {
    transports.close();
    await node.close();
  });

  /** Opens a stream that lasts until its signal is aborted. */
  async function watch(signal: AbortSignal): Promise<void> {
    const router = createClient(RouterService, transports.transportTo(node.baseUrl));
    const answers = router.watchTopology({}, { signal })[Symbol.asyncIterator]();
    await answers.next();
    answers.next().catch(() => {});
  }

  it("are answered however many streams last beside them", { timeout }, async () => {
    const ending = new AbortController();
    // More than one connection takes.
    while (watches < 1_200) await Promise.all(Array.from({ length: 100 }, () => watch(ending.signal)));
    const data = createClient(DataService, transports.transportTo(node.baseUrl));
    await data.put({ key: "a", value }, { timeoutMs: 30_000 });
    ending.abort();
    await until("the streams have ended", 30_000, () => watches === 0);
  });
});

/** A peer that takes so many calls at once, and answers none. */
async function startMutePeer(maxConcurrentStreams: number) {
  const sessions = new Set<http2.ServerHttp2Session>();
  const paths: string[] = [];
  const callsOf = new Map<http2.Http2Session, number>();
  const server = http2.createServer({ settings: { maxConcurrentStreams } });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    stream.resume();
    paths.push(String(headers[":path"]));
    if (stream.session) callsOf.set(stream.session, (callsOf.get(stream.session) ?? 0) + 1);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    sessions,
    paths,
    callsOf,
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const closing: (() => Promise<void>)[] = [];

/** What a failed test leaves open would keep the process from its end. */
async function closeAll(): Promise<void> {
  for (const close of closing.splice(0)) await close();
}

/** Both are closed by `closeAll`. */
async function clientOfMutePeer(maxConcurrentStreams: number) {
  const peer = await startMutePeer(maxConcurrentStreams);
  const transports = createTransports();
  closing.push(async () => {
    transports.close();
    await peer.close();
  });
  return { peer, data: createClient(DataService, transports.transportTo(peer.address)) };
}

describe("a call for which the peer has no room", () => {
  afterEach(closeAll);

  it("goes over another connection, as many as it takes", { timeout }, async () => {
    const { peer, data } = await clientOfMutePeer(2);
    const ending = new AbortController();
    const calls = Array.from({ length: 20 }, () => errorOf(data.put({ key: "a", value }, ending)));
    await until("all have come", 10_000, () => peer.paths.length === 20);
    assert.equal(peer.sessions.size, 10);
    ending.abort();
    assert.ok((await Promise.all(calls)).every((error) => !saysNotApplied(error)));
  });

  it("waits no longer than it may, and is not applied", { timeout }, async () => {
    const { peer, data } = await clientOfMutePeer(1);
    const ending = new AbortController();
    const filling = Array.from({ length: 32 }, () => errorOf(data.put({ key: "a", value }, ending)));
    await until("it is full", 10_000, () => peer.paths.length === 32);
    const late = await errorOf(data.put({ key: "b", value }, { timeoutMs: 50 }));
    assert.equal(late.code, Code.DeadlineExceeded);
    assert.ok(saysNotApplied(late), late.message);
    const leaving = new AbortController();
    const left = errorOf(data.put({ key: "b", value }, leaving));
    leaving.abort();
    assert.ok(saysNotApplied(await left));
    assert.equal(peer.paths.length, 32);
    // One that still waits is begun once there is room.
    const patient = errorOf(data.put({ key: "c", value }, ending));
    const [first] = peer.sessions;
    first?.destroy();
    await until("it has come", 10_000, () => peer.paths.length === 33);
    ending.abort();
    await Promise.all([patient, ...filling]);
  });

  it("has not been applied when the peer says that it never looked at it", { timeout }, async () => {
    const { peer, data } = await clientOfMutePeer(100);
    const calls = [1, 2, 3].map(() => errorOf(data.put({ key: "a", value })));
    await until("all have come", 10_000, () => peer.paths.length === 3);
    // With the last that it says to have looked at: the second.
    for (const session of peer.sessions) session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, 3);
    for (const session of peer.sessions) setImmediate(() => session.destroy());
    assert.deepEqual((await Promise.all(calls)).map(saysNotApplied), [false, false, true]);
  });
});

describe("calls that are given up", () => {
  afterEach(closeAll);

  it("wear their connection out before the peer would end it, and harm no other call", {
    timeout,
  }, async () => {
    const { peer, data } = await clientOfMutePeer(1_000);
    const staying = new AbortController();
    let ended = false;
    const stays = errorOf(data.put({ key: "a", value }, staying)).finally(() => {
      ended = true;
    });
    for (let calls = 1; calls < 1_200; calls += 100) {
      const leaving = new AbortController();
      const left = Array.from({ length: 100 }, () => errorOf(data.put({ key: "b", value }, leaving)));
      await until("all have come", 10_000, () => peer.paths.length === calls + 100);
      leaving.abort();
      await Promise.all(left);
    }
    // Of Node's servers, the least that they stand in a short time is 1,000.
    assert.ok(peer.callsOf.size >= 2);
    assert.ok([...peer.callsOf.values()].every((calls) => calls < 1_000));
    assert.ok(!ended);
    staying.abort();
    await stays;
  });
});
