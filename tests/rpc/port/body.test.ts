import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { bodyOf } from "../../../src/rpc/port/body.ts";
import type { Request } from "../../../src/rpc/port/http.ts";
import { dial } from "../../support/raw-client.ts";
import { startToyNode } from "../../support/toy-node.ts";

const timeout = 60_000;
const put = "/kvlab.v1.DataService/Put";

async function bodyIn(chunks: readonly Uint8Array[], isStream: boolean): Promise<Uint8Array[]> {
  const request = Readable.from(chunks) as unknown as Request;
  const out: Uint8Array[] = [];
  for await (const chunk of bodyOf(request, isStream)) out.push(chunk);
  return out;
}

describe("the body of a request", () => {
  const sizes = [
    ...Array.from({ length: 20 }, () => 1),
    5_000,
    ...Array.from({ length: 20_000 }, () => 3),
    70_000,
    2,
  ];
  const chunks = sizes.map((size, i) => new Uint8Array(size).fill(i));

  it("comes in few chunks, however small it was sent", async () => {
    const got = await bodyIn(chunks, false);
    assert.equal(Buffer.compare(Buffer.concat(got), Buffer.concat(chunks)), 0);
    assert.ok(got.length < 40, `${got.length} chunks`);
  });

  it("comes as it was sent if it is a stream", async () => {
    const got = await bodyIn(chunks.slice(0, 100), true);
    assert.deepEqual(
      got.map(({ length }) => length),
      sizes.slice(0, 100),
    );
  });
});

describe("calls that HTTP/1.1 sends before the answers to earlier ones", () => {
  it("are bounded: a client that sends more is disconnected, and others are served", {
    timeout,
  }, async () => {
    let waiting = 0;
    const node = await startToyNode({
      onPut: ({ key }) => {
        if (key !== "wait") return;
        waiting++;
        return new Promise(() => {});
      },
      drainMs: 100,
    });
    try {
      const client = await dial(node.port);
      const body = '{"key":"wait"}';
      const head = `POST ${put} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
      client.send(`${head}\r\n\r\n${body}`.repeat(5_000));
      // By a reset, since there is more that nobody has read.
      await client.closed.catch(() => {});
      assert.ok(waiting <= 1_000, `${waiting} calls`);
      assert.equal((await fetch(`${node.baseUrl}/`)).status, 200);
    } finally {
      await node.close();
    }
  });
});
