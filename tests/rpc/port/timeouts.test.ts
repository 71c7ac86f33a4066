import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import {
  callHeaders,
  dial,
  endStream,
  frame,
  framesIn,
  headersFrame,
  http2Hello,
  type RawClient,
} from "../../support/raw-client.ts";
import {
  ringVersions,
  startToyNode,
  type ToyNode,
  type ToyOptions,
  transportsTo,
} from "../../support/toy-node.ts";
import { until } from "../../support/until.ts";

const timeout = 20_000;
/** Short, yet time enough for a client on a busy machine. */
const limitMs = 500;
const never = 600_000;
const patient = {
  headTimeoutMs: never,
  messageTimeoutMs: never,
  idleTimeoutMs: never,
  pingIntervalMs: never,
};

const put = "/kvlab.v1.DataService/Put";
const watch = "/kvlab.v1.RouterService/WatchTopology";
const postHead = `POST ${put} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n`;

async function withNode(options: ToyOptions, run: (node: ToyNode) => Promise<void>): Promise<void> {
  const node = await startToyNode({ ...patient, ...options });
  try {
    await run(node);
  } finally {
    await node.close();
  }
}

async function serves(node: ToyNode): Promise<void> {
  const data = createClient(DataService, transportsTo(node.baseUrl).gRPC);
  await data.put({ key: "a", value: { case: "text", value: "a" } });
}

async function receivesFrame(client: RawClient, type: string, stream: number): Promise<void> {
  const there = () =>
    framesIn(client.received()).some((each) => each.type === type && each.stream === stream);
  await until(`a ${type} frame of stream ${stream} comes`, 5_000, there);
}

describe("a client that brings no request in time", () => {
  const openings = [
    "",
    "P",
    postHead,
    http2Hello.subarray(0, 20),
    http2Hello,
    // The beginning of a head that is to be continued.
    Buffer.concat([http2Hello, frame(0x1, 0, 1, new Uint8Array())]),
  ];
  it("is cut off, while others are served", { timeout }, () =>
    withNode({ headTimeoutMs: limitMs }, async (node) => {
      const cutOff = openings.map(async (opening) => {
        const client = await dial(node.port);
        if (opening.length > 0) client.send(opening);
        await client.closed;
      });
      await serves(node);
      await Promise.all(cutOff);
      await serves(node);
    }),
  );

  it("is cut off even if it keeps sending, byte by byte", { timeout }, () =>
    withNode({ headTimeoutMs: limitMs }, async (node) => {
      const client = await dial(node.port);
      client.send(postHead);
      const drip = setInterval(() => client.send("X"), 5);
      try {
        assert.match(await client.closed, /^HTTP\/1\.1 408 /);
      } finally {
        clearInterval(drip);
      }
    }),
  );
});

describe("a call whose message does not come in time", () => {
  it("is cut off in HTTP/1.1", { timeout }, () =>
    withNode({ messageTimeoutMs: limitMs }, async (node) => {
      const client = await dial(node.port);
      client.send(`${postHead}Content-Length: 100\r\n\r\n{"key"`);
      await client.closed;
      assert.equal(node.values.size, 0);
      await serves(node);
    }),
  );

  it("is cut off in HTTP/2, while other calls on the connection go on", { timeout }, () =>
    withNode({ messageTimeoutMs: limitMs }, async (node) => {
      const client = await dial(node.port);
      client.send(http2Hello);
      client.send(headersFrame(1, callHeaders(put), false));
      client.send(frame(0, 0, 1, Uint8Array.of(0x0a, 0x01, 0x78)));
      await receivesFrame(client, "RST_STREAM", 1);
      client.send(headersFrame(3, callHeaders(put), false));
      client.send(frame(0, endStream, 3, Uint8Array.of(0x0a, 0x01, 0x79)));
      await receivesFrame(client, "DATA", 3);
      assert.deepEqual([...node.values.keys()], ["y"]);
      client.socket.destroy();
    }),
  );

  it("is cut off likewise if it is the answer that is not read", { timeout }, () =>
    withNode({ messageTimeoutMs: limitMs, messageBytesMax: 40_000_000 }, async (node) => {
      // More than the system keeps for a client that does not read.
      const length = 32_000_000;
      node.values.set("x", { case: "bytes", value: new Uint8Array(length) });
      const get = "/kvlab.v1.DataService/Get";
      const second = await dial(node.port);
      second.send(http2Hello);
      second.send(headersFrame(1, callHeaders(get), false));
      second.send(frame(0, endStream, 1, Uint8Array.of(0x0a, 0x01, 0x78)));
      await receivesFrame(second, "RST_STREAM", 1);
      second.socket.destroy();
      const first = await dial(node.port);
      first.socket.pause();
      const fields = `Host: a\r\nContent-Type: application/proto\r\nContent-Length: 3\r\n\r\n`;
      first.send(`POST ${get} HTTP/1.1\r\n${fields}`);
      first.send(Uint8Array.of(0x0a, 0x01, 0x78));
      for (let i = 0; i < 3; i++) {
        // Calls that began later, and are cut off for being late with their body.
        const later = await dial(node.port);
        later.send(`${postHead}Content-Length: 100\r\n\r\n{"key"`);
        await later.closed;
      }
      first.socket.resume();
      assert.ok((await first.closed).length < length);
    }),
  );

  it("does not mean a stream of requests, which may pause", { timeout }, () =>
    withNode({ messageTimeoutMs: limitMs }, async (node) => {
      const reflection = createClient(ServerReflection, transportsTo(node.baseUrl).gRPC);
      const idler = await dial(node.port);
      async function* requests() {
        yield { messageRequest: { case: "listServices", value: "" } } as const;
        // A call that began after this one has been cut off by now.
        idler.send(`${postHead}Content-Length: 100\r\n\r\n{"key"`);
        await idler.closed;
        yield { messageRequest: { case: "listServices", value: "" } } as const;
      }
      let answers = 0;
      for await (const answer of reflection.serverReflectionInfo(requests())) {
        assert.equal(answer.messageResponse.case, "listServicesResponse");
        answers++;
      }
      assert.equal(answers, 2);
    }),
  );
});

describe("a connection without calls", () => {
  it("is closed after a while", { timeout }, () =>
    withNode({ idleTimeoutMs: limitMs }, async (node) => {
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
    return withNode(
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
    withNode({ idleTimeoutMs: limitMs }, async (node) => {
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

describe("an HTTP/2 client that vanished without a word", () => {
  it("is given up, and its streams end", { timeout }, () => {
    let ended = () => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    return withNode(
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
    return withNode(
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
    return withNode(
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
