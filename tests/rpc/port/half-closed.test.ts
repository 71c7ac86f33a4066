import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { callHeaders, dial, headersFrame, http2Hello } from "../../support/raw-client.ts";
import { startToyNode } from "../../support/toy-node.ts";

const timeout = 30_000;
const body = '{"key":"a","text":"b"}';

function request(path: string, type: string, content: string | Uint8Array): Uint8Array {
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: a",
    `Content-Type: ${type}`,
    `Content-Length: ${content.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), Buffer.from(content)]);
}

const put = request("/kvlab.v1.DataService/Put", "application/json", body);

/** Resolves once the server, which is this process, must have seen that the other side sends no more. */
async function closesSide(port: number, socket: { end(done: () => void): void }): Promise<void> {
  await new Promise<void>((resolve) => socket.end(resolve));
  const other = await dial(port);
  other.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await other.closed;
}

describe("a client that closes its side of the connection", () => {
  for (const [name, calls] of [
    ["its call", 1],
    ["all its calls", 3],
  ] as const) {
    it(`is answered ${name}`, { timeout }, async () => {
      let letGo = () => {};
      const seen = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const node = await startToyNode({ onPut: () => seen });
      try {
        const client = await dial(node.port);
        for (let i = 0; i < calls; i++) client.send(put);
        await closesSide(node.port, client.socket);
        letGo();
        const answers = (await client.closed).match(/HTTP\/1\.1 200 OK\r/g);
        assert.equal(answers?.length, calls);
        assert.ok(node.values.has("a"));
      } finally {
        await node.close();
      }
    });
  }

  it("ends a stream, which could last for ever", { timeout }, async () => {
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const node = await startToyNode({
      async *watchTopology(_request, { signal }) {
        yield {};
        begin();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        end();
      },
    });
    try {
      const client = await dial(node.port);
      const content = Uint8Array.of(0, 0, 0, 0, 2, 0x7b, 0x7d);
      client.send(request("/kvlab.v1.RouterService/WatchTopology", "application/connect+json", content));
      await begun;
      client.socket.end();
      await Promise.all([ended, client.closed]);
    } finally {
      await node.close();
    }
  });

  it("without a complete call is disconnected", { timeout }, async () => {
    const node = await startToyNode();
    try {
      const openings = [
        "",
        "P",
        "POST / HT",
        put.subarray(0, put.length - 1),
        http2Hello.subarray(0, 20),
        http2Hello,
      ];
      openings.push(
        Buffer.concat([http2Hello, headersFrame(1, callHeaders("/kvlab.v1.DataService/Put"), false)]),
      );
      for (const opening of openings) {
        const client = await dial(node.port);
        if (opening.length > 0) client.send(opening);
        client.socket.end();
        await client.closed;
      }
      assert.equal(node.values.size, 0);
    } finally {
      await node.close();
    }
  });
});
