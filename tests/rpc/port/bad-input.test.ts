import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import {
  callHeaders,
  dial,
  frame,
  headersFrame,
  http2Hello,
  type RawClient,
} from "../../support/raw-client.ts";
import { startToyNode, type ToyNode, transportNames, transportsTo } from "../../support/toy-node.ts";
import { until } from "../../support/until.ts";

const timeout = 30_000;
const messageBytesMax = 1_000_000;
const put = "/kvlab.v1.DataService/Put";

let node: ToyNode;
const lines: string[] = [];
before(async () => {
  node = await startToyNode({ messageBytesMax, log: (line) => lines.push(line) });
});
after(async () => {
  await node.close();
});
beforeEach(() => {
  lines.length = 0;
});

async function stillServes(): Promise<void> {
  for (const transport of Object.values(transportsTo(node.baseUrl))) {
    await createClient(DataService, transport).put({ key: "still", value: { case: "text", value: "here" } });
  }
}

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => ConnectError.from(reason),
  );
  assert.ok(error !== undefined, "the call succeeded");
  return error;
}

/** Posts a body as it is, and returns the gRPC status, or the code of a Connect error, with the message. */
async function post(path: string, type: string, body: Uint8Array<ArrayBuffer> | string, encoding?: string) {
  const grpc = type.startsWith("application/grpc");
  const encodingHeader = grpc ? "grpc-encoding" : "content-encoding";
  const response = await fetch(node.baseUrl + path, {
    method: "POST",
    headers: { "content-type": type, ...(encoding === undefined ? {} : { [encodingHeader]: encoding }) },
    body,
  });
  const text = await response.text();
  const field = (name: string) =>
    response.headers.get(name) ?? new RegExp(`${name}: (.*)\r\n`).exec(text)?.[1];
  return {
    status: response.status,
    text,
    grpcStatus: field("grpc-status"),
    grpcMessage: field("grpc-message"),
  };
}

/** A message in the envelope of the gRPC protocols. */
function envelope(message: Uint8Array, compressed = false): Uint8Array<ArrayBuffer> {
  const enveloped = Buffer.alloc(5 + message.length);
  enveloped.writeUInt8(compressed ? 1 : 0);
  enveloped.writeUInt32BE(message.length, 1);
  enveloped.set(message, 5);
  return new Uint8Array(enveloped);
}

const truncated = Uint8Array.of(0x0a, 0x10, 0x61);
const keyNotUtf8 = Uint8Array.of(0x0a, 0x02, 0xff, 0xfe, 0x1a, 0x01, 0x61);

describe("a method that there is not", () => {
  for (const name of transportNames) {
    it(`is UNIMPLEMENTED in ${name}`, { timeout }, async () => {
      const transport = transportsTo(node.baseUrl)[name];
      const method = { ...DataService.method.put, name: "Nothing" };
      const error = await errorOf(transport.unary(method, undefined, undefined, undefined, { key: "a" }));
      assert.equal(error.code, Code.Unimplemented);
      await stillServes();
    });
  }

  it("is an error in JSON for who asks over HTTP", async () => {
    const response = await fetch(`${node.baseUrl}/nothing/here`);
    assert.equal(response.status, 501);
    assert.deepEqual(await response.json(), {
      code: "unimplemented",
      message: "no such method: /nothing/here",
    });
  });
});

describe("a wrong content type", () => {
  it("is 415", async () => {
    for (const type of ["text/plain", "application/xml", "application/grpc+avro"]) {
      assert.equal((await post(put, type, "a")).status, 415, type);
    }
    await stillServes();
  });

  it("is 405 for a verb that the method has not", async () => {
    assert.equal((await fetch(node.baseUrl + put, { method: "PUT", body: "{}" })).status, 405);
    assert.equal((await fetch(node.baseUrl + put)).status, 405);
  });
});

describe("a malformed message is INVALID_ARGUMENT", () => {
  const bodies: [string, Uint8Array, string][] = [
    ["protobuf that breaks off", truncated, "proto"],
    ["a key that is not UTF-8", keyNotUtf8, "proto"],
    ["JSON that is none", Buffer.from('{"key": '), "json"],
    ["JSON of another shape", Buffer.from('{"key": {"a": 1}}'), "json"],
    ["JSON that is not UTF-8", Buffer.from('{"key": "\xff\xfe"}', "latin1"), "json"],
    ["JSON with half a surrogate pair", Buffer.from('{"key": "\\ud800"}'), "json"],
  ];
  for (const [what, body, format] of bodies) {
    it(`: ${what}`, async () => {
      const connect = await post(put, `application/${format}`, new Uint8Array(body));
      assert.equal(connect.status, 400, connect.text);
      assert.equal(JSON.parse(connect.text).code, "invalid_argument");
      const web = await post(put, `application/grpc-web+${format}`, envelope(body));
      assert.equal(web.grpcStatus, String(Code.InvalidArgument), web.grpcMessage);
      assert.equal(node.values.size <= 1, true);
    });
  }

  for (const name of transportNames) {
    it(`: in ${name}`, { timeout }, async () => {
      // Field 1 is the key of PutRequest, a string.
      const method = { ...DataService.method.put, input: BytesValueSchema };
      const message = { value: Uint8Array.of(0xff, 0xfe) };
      const transport = transportsTo(node.baseUrl)[name];
      const error = await errorOf(transport.unary(method, undefined, undefined, undefined, message));
      assert.equal(error.code, Code.InvalidArgument, error.message);
    });
  }

  it(": a GET whose query is not UTF-8", async () => {
    const url = `${node.baseUrl}/kvlab.v1.DataService/Get?encoding=json&message=%7B%22key%22%3A%22%FF%22%7D`;
    const response = await fetch(url);
    assert.equal(response.status, 400);
    assert.equal((await response.json()).code, "invalid_argument");
  });

  it(": a message that was compressed with something else", async () => {
    const unknown = await post(put, "application/proto", Uint8Array.of(1, 2, 3), "zstd");
    assert.equal(JSON.parse(unknown.text).code, "unimplemented");
    const broken = await post(put, "application/proto", Uint8Array.of(1, 2, 3), "gzip");
    assert.equal(JSON.parse(broken.text).code, "invalid_argument");
  });
});

describe("a message over the limit is RESOURCE_EXHAUSTED", () => {
  for (const name of transportNames) {
    it(`in ${name}`, { timeout }, async () => {
      const data = createClient(DataService, transportsTo(node.baseUrl)[name]);
      const value = new Uint8Array(messageBytesMax);
      for (let i = 0; i < 3; i++) {
        const error = await errorOf(data.put({ key: "big", value: { case: "bytes", value } }));
        assert.equal(error.code, Code.ResourceExhausted, error.message);
      }
      await data.put({ key: "small", value: { case: "bytes", value: value.subarray(1_000) } });
      assert.ok(!node.values.has("big"));
    });
  }

  it("after decompression", { timeout }, async () => {
    const bomb = new Uint8Array(gzipSync(new Uint8Array(200 * messageBytesMax)));
    const connect = await post(put, "application/proto", bomb, "gzip");
    assert.equal(JSON.parse(connect.text).code, "resource_exhausted");
    const web = await post(put, "application/grpc-web+proto", envelope(bomb, true), "gzip");
    assert.equal(web.grpcStatus, String(Code.ResourceExhausted));
    await stillServes();
  });
});

/** Head of the answer to a PING: 8 bytes, type PING, flag ACK (RFC 9113, 6.7). */
const pong = new RegExp(String.fromCharCode(0, 0, 8, 6, 1));

describe("what is no HTTP", () => {
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
    it(`gets an error or is hung up on: ${what}`, { timeout }, async () => {
      const client = await dial(node.port);
      client.send(data);
      const answer = await client.closed;
      if (/^HTTP/.test(answer)) assert.match(answer, /^HTTP\/1\.1 4\d\d /);
      await stillServes();
    });
  }

  it("hangs up on TLS, and says so at most once a minute", { timeout }, async () => {
    const hello = Uint8Array.of(0x16, 0x03, 0x01, 0x00, 0xa5, 0x01, 0x00, 0x00, 0xa1, 0x03, 0x03);
    for (let i = 0; i < 3; i++) {
      const client = await dial(node.port);
      client.send(hello);
      await client.closed;
    }
    assert.deepEqual(lines, ["refused a TLS connection from 127.0.0.1: this port is plaintext"]);
    await stillServes();
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
    await stillServes();
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
        if (hangUp === "end") await Promise.race([client.closed, stillServes()]);
      }
    }
    await stillServes();
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
        await stillServes();
        client.socket[hangUp]();
        await stillServes();
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
