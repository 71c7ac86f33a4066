import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  callHeaders,
  dial,
  frame,
  headersFrame,
  http2Hello,
  type RawClient,
} from "../../support/raw-client.ts";
import { startToyNode } from "../../support/toy-node.ts";
import { assertServes, shareToyNode } from "../../support/toy-node-in-tests.ts";
import { until } from "../../support/until.ts";

const timeout = 30_000;
const messageBytesMax = 1_000_000;
const put = "/kvlab.v1.DataService/Put";

const { node, lines } = await shareToyNode({ messageBytesMax });

/** Head of the answer to a PING: 8 bytes, type PING, flag ACK (RFC 9113, 6.7). */
const pong = new RegExp(String.fromCharCode(0, 0, 8, 6, 1));

describe("bytes that are not HTTP", () => {
  const garbage: [string, string | Uint8Array][] = [
    ["words", "hello there\r\n\r\n"],
    ["binary", Uint8Array.from({ length: 4_096 }, (_, i) => (i * 7 + 1) % 256)],
    [
      "an HTTP/2 preface that goes wrong",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame, and never will be one",
    ],
    ["half a preface and something else", "PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n"],
    ["a request for a tunnel", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"],
    ["a Redis command", "*1\r\n$4\r\nPING\r\n"],
    [
      "a host that is none",
      "POST /kvlab.v1.DataService/Put HTTP/1.1\r\nHost: [\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    ],
    ["an endless header", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(100_000)}\r\n\r\n`],
  ];
  for (const [what, data] of garbage) {
    it(`gets an error or a closed connection: ${what}`, { timeout }, async () => {
      const client = await dial(node.port);
      client.send(data);
      const answer = await client.closed;
      if (/^HTTP/.test(answer)) assert.match(answer, /^HTTP\/1\.1 4\d\d /);
      await assertServes(node);
    });
  }

  it("closes TLS connections, and says so at most once a minute", { timeout }, async () => {
    const hello = Uint8Array.of(0x16, 0x03, 0x01, 0x00, 0xa5, 0x01, 0x00, 0x00, 0xa1, 0x03, 0x03);
    for (let i = 0; i < 3; i++) {
      const client = await dial(node.port);
      client.send(hello);
      await client.closed;
    }
    assert.deepEqual(lines, ["refused a TLS connection from 127.0.0.1: this port is plaintext"]);
    await assertServes(node);
  });

  it("harms nothing when HTTP/2 frames break the protocol", { timeout }, async () => {
    const attacks: Uint8Array[] = [
      frame(0x0, 0, 1, new Uint8Array(10)),
      frame(0x1, 0x4, 1, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff)),
      frame(0x9, 0, 1, new Uint8Array(10)),
      frame(0x8, 0, 0, new Uint8Array(4)),
      frame(0x4, 0, 0, new Uint8Array(7)),
      frame(0x0, 0, 0, new Uint8Array(20_000)),
      Buffer.concat([headersFrame(2, callHeaders(put), false)]),
      Buffer.concat([headersFrame(1, callHeaders(put), false), frame(0x3, 0, 1, new Uint8Array(4))]),
      Buffer.concat([headersFrame(1, { ":method": "POST", ":scheme": "http", ":path": put }, true)]),
      Buffer.concat([headersFrame(1, { ...callHeaders(put), ":authority": "[" }, true)]),
    ];
    for (const attack of attacks) {
      const client = await dial(node.port);
      client.send(http2Hello);
      client.send(attack);
      client.send(frame(0x6, 0, 0, new Uint8Array(8)));
      await Promise.race([client.closed, client.receives(pong)]);
      client.socket.destroy();
    }
    await assertServes(node);
  });

  it("survives clients that reset their connections at any time", { timeout }, async () => {
    const head =
      "POST /kvlab.v1.DataService/Put HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
    const openings = [
      "",
      "P",
      "PRI",
      head,
      `${head}{"key"`,
      http2Hello,
      Buffer.concat([http2Hello, headersFrame(1, callHeaders(put), false)]),
      Buffer.concat([
        http2Hello,
        headersFrame(1, callHeaders(put), false),
        frame(0, 0, 1, new Uint8Array(9)),
      ]),
    ];
    for (const opening of openings) {
      for (const hangUp of ["destroy", "resetAndDestroy", "end"] as const) {
        const client = await dial(node.port);
        if (opening.length > 0) client.send(opening);
        await new Promise((resolve) => setImmediate(resolve));
        client.socket[hangUp]();
        if (hangUp === "end") await Promise.race([client.closed, assertServes(node)]);
      }
    }
    await assertServes(node);
  });
});

describe("a call that breaks off", () => {
  // Cut after the first field: what is there is a whole message, but not the one that was meant.
  const message = Uint8Array.of(0x0a, 0x01, 0x78, 0x1a, 0x01, 0x61);
  const head = `POST ${put} HTTP/1.1\r\nHost: a\r\nContent-Type: application/proto\r\n`;
  const broken: [string, (string | Uint8Array)[]][] = [
    ["HTTP/1.1 with a length", [`${head}Content-Length: 6\r\n\r\n`, message.subarray(0, 3)]],
    [
      "HTTP/1.1 in chunks",
      [`${head}Transfer-Encoding: chunked\r\n\r\n3\r\n`, message.subarray(0, 3), "\r\n"],
    ],
    [
      "HTTP/2",
      [http2Hello, headersFrame(1, callHeaders(put), false), frame(0, 0, 1, message.subarray(0, 3))],
    ],
    [
      "HTTP/2 with a length",
      [
        http2Hello,
        headersFrame(1, { ...callHeaders(put), "content-length": "6" }, false),
        frame(0, 1, 1, message.subarray(0, 3)),
      ],
    ],
    [
      "HTTP/2 with a reset",
      [
        http2Hello,
        headersFrame(1, callHeaders(put), false),
        frame(0, 0, 1, message.subarray(0, 3)),
        frame(3, 0, 1, new Uint8Array(4)),
      ],
    ],
  ];
  for (const [name, parts] of broken) {
    for (const hangUp of ["end", "destroy", "resetAndDestroy"] as const) {
      it(`is not applied: ${name}, ${hangUp}`, { timeout }, async () => {
        const client = await dial(node.port);
        for (const part of parts) client.send(part);
        // Written out before the end: what is lost with a reset would not be seen at all.
        await new Promise<void>((resolve) => client.socket.write("", () => resolve()));
        await assertServes(node);
        client.socket[hangUp]();
        await assertServes(node);
        assert.ok(!node.values.has("x"));
        client.socket.destroy();
      });
    }
  }
});

describe("too many connections", () => {
  it("close one without calls for each; if there is none, they are closed themselves", {
    timeout,
  }, async () => {
    const begun: (() => void)[] = [];
    const small = await startToyNode({
      connectionsMax: 3,
      log: (line) => lines.push(line),
      onPut: () => new Promise((resolve) => begun.push(resolve)),
    });
    try {
      const idle = await Promise.all([1, 2, 3].map(() => dial(small.port)));
      const busy: RawClient[] = [];
      for (const _ of idle) {
        const client = await dial(small.port);
        const fields = "Host: a\r\nContent-Type: application/proto\r\nContent-Length: 0\r\n\r\n";
        client.send(`POST /kvlab.v1.DataService/Put HTTP/1.1\r\n${fields}`);
        busy.push(client);
        await until("its call has begun", 5_000, () => begun.length === busy.length);
      }
      await Promise.all(idle.map(({ closed }) => closed));
      const last = await dial(small.port);
      assert.equal(await last.closed, "");
      // The second is of the same minute.
      assert.deepEqual(lines, ["closed one without calls for another: 3 are open, which is the limit"]);
      for (const resolve of begun) resolve();
      for (const client of busy) await client.receives(/^HTTP\/1.1 200 /);
      await until("there is room again", 5_000, async () => {
        const answer = await fetch(`${small.baseUrl}/a`).catch(() => undefined);
        return answer?.status === 501;
      });
    } finally {
      await small.close();
    }
  });
});
