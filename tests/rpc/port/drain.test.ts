import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { createTransports } from "../../../src/client/transport/http2.ts";
import {
  callHeaders,
  dial,
  endStream,
  frame,
  framesIn,
  headersFrame,
  http2Hello,
} from "../../support/raw-client.ts";
import { ringVersions, startToyNode, transportNames, transportsTo } from "../../support/toy-node.ts";

const timeout = 20_000;

/** Longer than a test may take: what waits for it fails. */
const drainMs = 60_000;

const put = "/kvlab.v1.DataService/Put";
const value = { case: "text", value: "a" } as const;

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** A node whose Puts tell that they have begun, and wait to be let go. */
async function startWaitingNode(options: { readonly drainMs: number }) {
  const begun = gate();
  const go = gate();
  const signals: AbortSignal[] = [];
  const node = await startToyNode({
    ...options,
    async onPut(_request, { signal }) {
      signals.push(signal);
      begun.open();
      await go.opened;
    },
  });
  return { node, begun: begun.opened, letGo: go.open, signals };
}

describe("a listener that closes", () => {
  it("waits for no client without a call", { timeout }, async () => {
    const node = await startToyNode({ drainMs });
    for (const transport of Object.values(transportsTo(node.baseUrl))) {
      await createClient(DataService, transport).put({ key: "a", value });
    }
    const silent = await Promise.all(Array.from({ length: 7 }, () => dial(node.port)));
    const openings = [
      "",
      "P",
      Uint8Array.of(0x16, 3),
      "GET / HTTP/1.1\r\n",
      http2Hello,
      http2Hello.subarray(0, 30),
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    openings.forEach((opening, i) => {
      if (opening.length > 0) silent[i]?.send(opening);
    });
    await silent[4]?.receives(/./s);
    await silent[6]?.receives(/200 OK/);
    await node.close();
    await Promise.all(silent.map((client) => client.closed));
  });

  it("lets a call under way finish, its trailers included: gRPC", { timeout }, async () => {
    const { node, begun, letGo } = await startWaitingNode({ drainMs });
    const client = await dial(node.port);
    client.send(http2Hello);
    client.send(headersFrame(1, { ...callHeaders(put, "application/grpc"), te: "trailers" }, false));
    client.send(frame(0, endStream, 1, Uint8Array.of(0, 0, 0, 0, 3, 0x0a, 0x01, 0x78)));
    await begun;
    const closed = node.close();
    await client.receives(goaway);
    letGo();
    await closed;
    const answer = framesIn(await client.closed).filter(({ stream }) => stream === 1);
    assert.deepEqual(
      answer.map(({ type }) => type),
      ["HEADERS", "DATA", "HEADERS"],
    );
    assert.equal((answer.at(-1)?.flags ?? 0) & endStream, endStream);
  });

  for (const name of ["Connect over HTTP/1.1", "gRPC-Web over HTTP/1.1", "Connect between nodes"] as const) {
    it(`lets a call under way finish: ${name}`, { timeout }, async () => {
      const { node, begun, letGo, signals } = await startWaitingNode({ drainMs });
      const between = createTransports();
      const transports = {
        ...transportsTo(node.baseUrl),
        "Connect between nodes": between.transportTo(node.baseUrl),
      };
      const call = createClient(DataService, transports[name]).put({ key: "a", value });
      await begun;
      const closed = node.close();
      assert.ok(signals.every(({ aborted }) => !aborted));
      letGo();
      assert.equal((await call).revision, 1n);
      await closed;
      between.close();
    });
  }

  for (const name of transportNames) {
    it(`takes no new call meanwhile: ${name}`, { timeout }, async () => {
      const { node, begun, letGo, signals } = await startWaitingNode({ drainMs });
      const data = createClient(DataService, transportsTo(node.baseUrl)[name]);
      const call = data.put({ key: "a", value });
      await begun;
      const closed = node.close();
      await assert.rejects(data.put({ key: "b", value }));
      letGo();
      await Promise.allSettled([call]);
      await closed;
      assert.equal(signals.length, 1);
    });

    it(`tells streams to end, and they end whole: ${name}`, { timeout }, async () => {
      const node = await startToyNode({
        drainMs,
        async *watchTopology(_request, { signal }) {
          const aborted = gate();
          signal.addEventListener("abort", () => aborted.open());
          yield { topology: { ringVersion: 1n } };
          await aborted.opened;
          yield { topology: { ringVersion: 2n } };
        },
      });
      const router = createClient(RouterService, transportsTo(node.baseUrl)[name]);
      const answers = [];
      let closed: Promise<void> | undefined;
      for await (const answer of router.watchTopology({})) {
        answers.push(answer);
        closed ??= node.close();
      }
      assert.deepEqual(ringVersions(answers), [1n, 2n]);
      await closed;
    });

    it(`cuts off a call that does not end in time: ${name}`, { timeout }, async () => {
      const { node, begun } = await startWaitingNode({ drainMs: 50 });
      const data = createClient(DataService, transportsTo(node.baseUrl)[name]);
      const call = assert.rejects(data.put({ key: "a", value }));
      await begun;
      await node.close();
      await call;
    });
  }

  it("refuses a call on a connection that was told to go", { timeout }, async () => {
    const { node, begun, letGo, signals } = await startWaitingNode({ drainMs });
    const message = Uint8Array.of(0x0a, 0x01, 0x78);
    const client = await dial(node.port);
    client.send(http2Hello);
    client.send(headersFrame(1, callHeaders(put), false));
    client.send(frame(0, endStream, 1, message));
    await begun;
    const closed = node.close();
    await client.receives(goaway);
    client.send(headersFrame(3, callHeaders(put), false));
    client.send(frame(0, endStream, 3, message));
    client.send(frame(0x6, 0, 0, new Uint8Array(8)));
    await client.receives(pong);
    letGo();
    await closed;
    await client.closed;
    assert.equal(signals.length, 1);
  });

  it("leaves its port free, and may be closed again", { timeout }, async () => {
    const node = await startToyNode();
    await createClient(DataService, transportsTo(node.baseUrl).gRPC).put({ key: "a", value });
    await Promise.all([node.close(), node.close()]);
    await node.close();
    const next = await startToyNode({ port: node.port });
    assert.equal(next.port, node.port);
    await next.close();
  });
});

/** Heads of frames (RFC 9113, 6.8 and 6.7): GOAWAY of stream 0, and PING with its ACK flag. */
const goaway = new RegExp(`${String.fromCharCode(7, 0, 0, 0, 0, 0)}`);
const pong = new RegExp(String.fromCharCode(0, 0, 8, 6, 1));
