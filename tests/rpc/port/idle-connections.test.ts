import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { callHeaders, dial, endStream, frame, headersFrame, http2Hello } from "../../support/raw-client.ts";
import { ringVersions, transportsTo } from "../../support/toy-node.ts";
import { withPatientNode } from "../../support/toy-node-in-tests.ts";
import { until } from "../../support/until.ts";

const timeout = 20_000;
/** Short, yet time enough for a client on a busy machine. */
const limitMs = 500;
const watch = "/kvlab.v1.RouterService/WatchTopology";

describe("a connection without calls", () => {
  it("is closed after a while", { timeout }, () =>
    withPatientNode({ idleTimeoutMs: limitMs }, async (node) => {
      const first = await dial(node.port);
      first.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.match(await first.closed, /^HTTP\/1\.1 501 /);
      const second = await dial(node.port);
      second.send(http2Hello);
      second.send(headersFrame(1, callHeaders("/a"), true));
      await second.closed;
    }),
  );

  it("does not mean one whose stream has nothing to say", { timeout }, () => {
    const idlers: Promise<string>[] = [];
    return withPatientNode(
      {
        idleTimeoutMs: limitMs,
        async *watchTopology() {
          yield { topology: { ringVersion: 1n } };
          await Promise.all(idlers);
          yield { topology: { ringVersion: 2n } };
        },
      },
      async (node) => {
        for (const name of ["gRPC", "Connect over HTTP/1.1"] as const) {
          const router = createClient(RouterService, transportsTo(node.baseUrl)[name]);
          const answers = [];
          const idler = await dial(node.port);
          idler.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
          idlers.push(idler.closed);
          for await (const answer of router.watchTopology({})) answers.push(answer);
          assert.deepEqual(ringVersions(answers), [1n, 2n]);
        }
      },
    );
  });

  it("is noticed by clients, which connect again", { timeout }, () =>
    withPatientNode({ idleTimeoutMs: limitMs }, async (node) => {
      const transports = transportsTo(node.baseUrl);
      for (let i = 0; i < 3; i++) {
        for (const transport of Object.values(transports)) {
          await createClient(DataService, transport).put({ key: "a", value: { case: "text", value: "a" } });
        }
        // Opened last, so closed last; twice, so that the clients have seen it.
        for (let j = 0; j < 2; j++) {
          const idler = await dial(node.port);
          idler.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
          await idler.closed;
        }
      }
    }),
  );
});

describe("an HTTP/2 client that vanished silently", () => {
  it("is given up, and its streams end", { timeout }, () => {
    let ended = () => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    return withPatientNode(
      {
        pingIntervalMs: limitMs,
        async *watchTopology(_request, { signal }) {
          yield { topology: { ringVersion: 1n } };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          ended();
        },
      },
      async (node) => {
        // It never answers a PING.
        const client = await dial(node.port);
        client.send(http2Hello);
        client.send(headersFrame(1, callHeaders(watch, "application/connect+proto"), false));
        client.send(frame(0, endStream, 1, new Uint8Array(5)));
        await client.closed;
        await end;
      },
    );
  });

  it("does not mean one that is slow to read what it is sent", { timeout }, () => {
    const large = { topology: { ringVersion: 1n, groups: [{ name: "x".repeat(64 * 1024) }] } };
    return withPatientNode(
      {
        pingIntervalMs: 50,
        messageTimeoutMs: 2 * limitMs,
        async *watchTopology() {
          for (;;) yield large;
        },
      },
      async (node) => {
        // Its answers to PINGs are never seen, as if they were behind what it has still to read.
        const client = await dial(node.port);
        let isClosed = false;
        void client.closed.then(() => {
          isClosed = true;
        });
        client.send(http2Hello);
        client.send(headersFrame(1, callHeaders(watch, "application/connect+proto"), false));
        client.send(frame(0, endStream, 1, new Uint8Array(5)));
        const more = Uint8Array.of(0, 1, 0, 0);
        const began = performance.now();
        await until("it has read for long", 20_000, () => {
          client.send(frame(0x8, 0, 0, more));
          client.send(frame(0x8, 0, 1, more));
          return isClosed || performance.now() - began > 6 * limitMs;
        });
        assert.ok(!isClosed);
        // Once it takes nothing more it has gone.
        await client.closed;
      },
    );
  });

  it("does not mean one that answers", { timeout }, () => {
    let pass = () => {};
    const passed = new Promise<void>((resolve) => {
      pass = resolve;
    });
    return withPatientNode(
      {
        pingIntervalMs: limitMs,
        async *watchTopology() {
          yield { topology: { ringVersion: 1n } };
          await passed;
          yield { topology: { ringVersion: 2n } };
        },
      },
      async (node) => {
        const router = createClient(RouterService, transportsTo(node.baseUrl).gRPC);
        const answers = [];
        for await (const answer of router.watchTopology({})) {
          answers.push(answer);
          const mute = await dial(node.port);
          mute.send(http2Hello);
          mute.send(headersFrame(1, callHeaders(watch, "application/connect+proto"), false));
          mute.send(frame(0, endStream, 1, new Uint8Array(5)));
          // By the time that this one is given up, the other has been asked more than once.
          void mute.closed.then(pass);
        }
        assert.deepEqual(ringVersions(answers), [1n, 2n]);
      },
    );
  });
});
