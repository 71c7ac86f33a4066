import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { HandlerContext } from "@connectrpc/connect";
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
import { startToyNode, type ToyNode } from "../../support/toy-node.ts";
import { until } from "../../support/until.ts";

const timeout = 60_000;
const watch = "/kvlab.v1.RouterService/WatchTopology";
const large = { topology: { ringVersion: 1n, groups: [{ name: "x".repeat(64 * 1024) }] } };
const small = { topology: { ringVersion: 1n } };
const requestMessage = new Uint8Array(5);

/** What a stream is at when its caller gives it up. */
const stages = {
  "before its first answer": async function* ({ signal }: HandlerContext) {
    await aborted(signal);
    yield small;
  },
  "while there is nothing to say": async function* ({ signal }: HandlerContext) {
    yield small;
    await aborted(signal);
  },
  "while its caller lets no more through": async function* () {
    for (;;) yield large;
  },
};

/** How a caller gives a stream up. */
const endings = {
  "a reset": (client: RawClient, stream: number) =>
    client.send(frame(0x3, 0, stream, Uint8Array.of(0, 0, 0, 8))),
  "a closed connection": (client: RawClient) => void client.socket.destroy(),
  "a broken connection": (client: RawClient) => void client.socket.resetAndDestroy(),
};

describe("a stream whose caller gives it up", () => {
  let node: ToyNode;
  let stage: keyof typeof stages;
  let begun = 0;
  let open = 0;
  before(async () => {
    node = await startToyNode({
      async *watchTopology(_request, context) {
        begun++;
        open++;
        try {
          yield* stages[stage](context);
        } finally {
          open--;
        }
      },
    });
  });
  after(() => node.close());

  for (const name of Object.keys(stages) as (keyof typeof stages)[]) {
    for (const [how, end] of Object.entries(endings)) {
      it(`ends ${name}, by ${how} in HTTP/2`, { timeout }, async () => {
        stage = name;
        begun = 0;
        const client = await dial(node.port);
        client.send(http2Hello);
        const streams = [1, 3, 5];
        for (const stream of streams) {
          client.send(headersFrame(stream, callHeaders(watch, "application/connect+proto"), false));
          client.send(frame(0, endStream, stream, requestMessage));
        }
        await until("all have begun", 5_000, () => begun === streams.length);
        if (name !== "before its first answer") {
          const answered = (stream: number) =>
            framesIn(client.received()).some((each) => each.type === "DATA" && each.stream === stream);
          await until("an answer comes", 5_000, () => answered(1));
        }
        for (const stream of streams) end(client, stream);
        await until("the streams have ended", 5_000, () => open === 0);
        client.socket.destroy();
      });

      if (how === "a reset") continue;
      it(`ends ${name}, by ${how} in HTTP/1.1`, { timeout }, async () => {
        stage = name;
        begun = 0;
        const client = await dial(node.port);
        client.send(
          `POST ${watch} HTTP/1.1\r\nHost: a\r\nContent-Type: application/connect+proto\r\nContent-Length: 5\r\n\r\n`,
        );
        client.send(requestMessage);
        await until("it has begun", 5_000, () => begun === 1);
        if (name !== "before its first answer") await client.receives(/HTTP\/1.1 200/);
        if (name === "while its caller lets no more through") client.socket.pause();
        end(client, 1);
        await until("the stream has ended", 5_000, () => open === 0);
        client.socket.destroy();
      });
    }
  }
});

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

describe("a request whose caller gives it up in the middle", () => {
  let node: ToyNode;
  before(async () => {
    node = await startToyNode();
  });
  after(() => node.close());

  const put = "/kvlab.v1.DataService/Put";
  // A key; the value would come behind it.
  const part = Uint8Array.of(0x0a, 0x03, 0x63, 0x75, 0x74);
  const enveloped = Buffer.concat([Uint8Array.of(0, 0, 0, 0, 9), part]);
  // With a parameter, a request does not take the fast path.
  const types = ["application/proto", "application/proto;", "application/grpc", "application/grpc;"];
  for (const type of types) {
    for (const [ending, giveUp] of Object.entries(endings)) {
      it(`is not carried out after ${ending}, as ${type}`, { timeout }, async () => {
        const client = await dial(node.port);
        client.send(http2Hello);
        client.send(headersFrame(1, callHeaders(put, type), false));
        client.send(frame(0, 0, 1, type.includes("grpc") ? enveloped : part));
        client.send(headersFrame(3, callHeaders(put), false));
        client.send(frame(0, endStream, 3, Uint8Array.of(0x0a, 0x01, 0x79)));
        // What was sent before that has come, too.
        await isAnswered(client, 3);
        giveUp(client, 1);
        client.socket.destroy();
        const other = await dial(node.port);
        other.send(http2Hello);
        other.send(headersFrame(1, callHeaders(put), false));
        other.send(frame(0, endStream, 1, Uint8Array.of(0x0a, 0x01, 0x7a)));
        await isAnswered(other, 1);
        other.socket.destroy();
        assert.deepEqual([...node.values.keys()], ["y", "z"]);
      });
    }
  }
});

function isAnswered(client: RawClient, id: number): Promise<boolean> {
  return until(`stream ${id} has an answer`, 5000, () =>
    framesIn(client.received()).some(({ type, stream }) => type === "DATA" && stream === id),
  );
}
