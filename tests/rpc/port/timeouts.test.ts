import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
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
import { type ToyNode, transportsTo } from "../../support/toy-node.ts";
import { withPatientNode } from "../../support/toy-node-in-tests.ts";
import { until } from "../../support/until.ts";

const timeout = 20_000;
/** Short, yet time enough for a client on a busy machine. */
const limitMs = 500;
const put = "/kvlab.v1.DataService/Put";
const postHead = `POST ${put} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n`;

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
    withPatientNode({ headTimeoutMs: limitMs }, async (node) => {
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
    withPatientNode({ headTimeoutMs: limitMs }, async (node) => {
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
    withPatientNode({ messageTimeoutMs: limitMs }, async (node) => {
      const client = await dial(node.port);
      client.send(`${postHead}Content-Length: 100\r\n\r\n{"key"`);
      await client.closed;
      assert.equal(node.values.size, 0);
      await serves(node);
    }),
  );

  it("is cut off in HTTP/2, while other calls on the connection go on", { timeout }, () =>
    withPatientNode({ messageTimeoutMs: limitMs }, async (node) => {
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

  it("is also cut off if the answer is not read", { timeout }, () =>
    withPatientNode({ messageTimeoutMs: limitMs, messageBytesMax: 40_000_000 }, async (node) => {
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
    withPatientNode({ messageTimeoutMs: limitMs }, async (node) => {
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
