import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import {
  callHeaders,
  dial,
  endStream,
  frame,
  framesIn,
  headersFrame,
  http2Hello,
} from "../../support/raw-client.ts";
import { startToyNode, type ToyNode } from "../../support/toy-node.ts";
import { until } from "../../support/until.ts";

const put = "/kvlab.v1.DataService/Put";
const get = "/kvlab.v1.DataService/Get";
const watch = "/kvlab.v1.RouterService/WatchTopology";
const json = '{"key":"a","text":"b"}';
/** Field 1, the key, is "a"; in an envelope. */
const message = Uint8Array.of(0x0a, 0x01, 0x61);
const enveloped = Uint8Array.of(0, 0, 0, 0, 3, ...message);

let node: ToyNode;
before(async () => {
  node = await startToyNode();
});
after(async () => {
  await node.close();
});

type Body = string | Uint8Array<ArrayBuffer>;

async function post(path: string, headers: Record<string, string>, body: Body, method = "POST") {
  const response = await fetch(node.baseUrl + path, { method, headers, body });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Sends a request of HTTP/1.1, byte for byte, and returns what comes back before the end of the connection. */
async function exchange(request: string): Promise<string> {
  const client = await dial(node.port);
  client.send(request);
  return client.closed;
}

function request(line: string, headers: readonly string[], body: string): string {
  const all = [line, ...headers, "Content-Type: application/json", `Content-Length: ${body.length}`];
  return [...all, "Connection: close", "", body].join("\r\n");
}

describe("an unknown method is unimplemented", () => {
  const path = "/no.Such/Method";
  const told = { code: "unimplemented", message: `no such method: ${path}` };

  it("in gRPC over HTTP/2: an answer that ends with its headers", async () => {
    for (const type of ["application/grpc", "application/grpc-web+proto"]) {
      const client = await dial(node.port);
      client.send(http2Hello);
      client.send(headersFrame(1, { ...callHeaders(path, type), te: "trailers" }, false));
      client.send(frame(0x0, endStream, 1, enveloped));
      const answer = () => framesIn(client.received()).filter(({ stream }) => stream === 1);
      await until("the answer has ended", 5_000, () =>
        answer().some(({ flags }) => (flags & endStream) !== 0),
      );
      assert.deepEqual(
        answer().map(({ type: frameType }) => frameType),
        ["HEADERS"],
        type,
      );
      client.socket.destroy();
    }
  });

  it("in gRPC-Web: headers alone, with the status in them", async () => {
    const { status, headers, text } = await post(
      path,
      { "content-type": "application/grpc-web+proto" },
      enveloped,
    );
    assert.deepEqual([status, text], [200, ""]);
    assert.equal(headers.get("content-type"), "application/grpc-web+proto");
    assert.equal(headers.get("grpc-status"), "12");
    assert.equal(decodeURIComponent(headers.get("grpc-message") ?? ""), told.message);
  });

  it("in Connect, of a unary call: JSON", async () => {
    for (const type of ["application/json", "application/proto"]) {
      const { status, text } = await post(path, { "content-type": type }, json);
      assert.deepEqual([status, JSON.parse(text)], [501, told]);
    }
  });

  it("in Connect, of a stream: the message that ends it", async () => {
    for (const type of ["application/connect+json", "application/connect+proto"]) {
      const { status, headers, text } = await post(path, { "content-type": type }, enveloped);
      assert.deepEqual([status, headers.get("content-type")], [200, type]);
      assert.equal(text.charCodeAt(0), 2);
      assert.deepEqual(JSON.parse(text.slice(5)), { error: told });
    }
  });

  it("whose name is long: the answer is not", async () => {
    const { text } = await post(`/${"x".repeat(8_000)}`, { "content-type": "application/json" }, json);
    assert.match(JSON.parse(text).message, /^no such method: \/x{199}…$/);
  });
});

describe("a content type", () => {
  it("is taken in any case, with a charset that is UTF-8, and with other parameters", async () => {
    for (const type of [
      "Application/JSON",
      "application/json; charset=UTF-8",
      'application/json;charset="utf-8"',
      "application/json ; charset=utf8",
      "application/json; odata=verbose",
      "application/json;",
    ]) {
      assert.equal((await post(put, { "content-type": type }, json)).status, 200, type);
    }
    for (const type of [
      "application/grpc-web+proto; charset=utf-8",
      "APPLICATION/gRPC-Web",
      "application/proto;x=y",
    ]) {
      const body = type.includes("rpc") ? enveloped : message;
      assert.equal((await post(put, { "content-type": type }, body)).status, 200, type);
    }
  });

  it("that is not taken is told which ones are", async () => {
    const types: [string, string, RegExp][] = [
      [put, "application/x-www-form-urlencoded", /allowed here are application\/json, application\/proto, /],
      [put, "application/json; charset=latin1", /^content type "application\/json; charset=latin1": allowed/],
      [put, "application/connect+json", /allowed here are application\/json, /],
      [watch, "application/json", /allowed here are application\/connect\+json, /],
      [put, "application/grpc-webby", /^content type "application\/grpc-webby"/],
    ];
    for (const [path, type, told] of types) {
      const { status, headers, text } = await post(path, { "content-type": type }, json);
      assert.equal(status, 415, type);
      assert.match(JSON.parse(text).message, told);
      assert.ok(JSON.parse(text).message.includes(headers.get("accept-post")));
    }
  });

  it("of gRPC that is not taken: told in gRPC", async () => {
    for (const type of [
      "application/grpc-web-text",
      "application/grpc-web-text+proto",
      "application/grpc+avro",
    ]) {
      const { status, headers } = await post(put, { "content-type": type }, "AAAAAAA=");
      assert.deepEqual([status, headers.get("grpc-status")], [415, "12"], type);
      assert.equal(headers.get("content-type"), type.replace("+avro", ""));
      assert.ok(
        decodeURIComponent(headers.get("grpc-message") ?? "").startsWith(`content type "${type}": allowed`),
      );
      assert.match(headers.get("accept-post") ?? "", /application\/grpc-web\+proto/);
    }
  });
});

describe("a verb", () => {
  it("that a method has not is told which ones it has", async () => {
    const wrong = await post(put, { "content-type": "application/json" }, json, "PUT");
    assert.deepEqual([wrong.status, wrong.headers.get("allow")], [405, "POST"]);
    assert.equal(JSON.parse(wrong.text).message, `PUT ${put}: allowed is POST`);
  });

  it("OPTIONS lists them", async () => {
    assert.match(
      await exchange("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
      /^HTTP\/1\.1 204 .*\r\nAllow: /s,
    );
    const response = await fetch(node.baseUrl + get, { method: "OPTIONS" });
    assert.deepEqual([response.status, response.headers.get("allow")], [204, "OPTIONS, POST, GET"]);
  });

  it("GET without a message says how one is sent", async () => {
    const response = await fetch(node.baseUrl + get);
    assert.equal(response.status, 400);
    assert.match(
      (await response.json()).message,
      /allowed are json and proto, as in \?encoding=json&message=\{\}$/,
    );
  });

  it("GET of / says to a person what the port is for", async () => {
    const response = await fetch(`${node.baseUrl}/`);
    assert.deepEqual(
      [response.status, response.headers.get("content-type")],
      [200, "text/plain; charset=utf-8"],
    );
    assert.match(await response.text(), /gRPC, gRPC-Web and Connect/);
  });
});

describe("HTTP/1.1", () => {
  it("with gRPC, whose trailers would be lost on the way, is refused before anything is done", async () => {
    node.values.clear();
    const { status, headers } = await post(put, { "content-type": "application/grpc" }, enveloped);
    assert.deepEqual([status, headers.get("grpc-status")], [505, "12"]);
    assert.match(
      decodeURIComponent(headers.get("grpc-message") ?? ""),
      /^HTTP\/1\.1 with application\/grpc .* allowed is HTTP\/2/,
    );
    assert.equal(node.values.size, 0);
  });

  it("may name its target absolutely, as proxies are asked", async () => {
    for (const target of [`http://elsewhere:1${put}`, `https://elsewhere${put}`, `HTTP://[::1]:1${put}`]) {
      const answer = await exchange(request(`POST ${target} HTTP/1.1`, ["Host: other"], json));
      assert.match(answer, /^HTTP\/1\.1 200 .*"revision":"1"/s, target);
    }
    const message = encodeURIComponent('{"key":"a"}');
    const query = `http://elsewhere${get}?encoding=json&message=${message}`;
    assert.match(await exchange(request(`GET ${query} HTTP/1.1`, ["Host: a"], "")), /"text":"b"/);
  });

  it("needs a host, whatever it is; HTTP/1.0 does not", async () => {
    const named = (line: string, ...headers: string[]) =>
      exchange(request(`POST ${put} ${line}`, headers, json));
    for (const host of ["data.1:2001", "data_1", "[fe80::1%25eth0]:80", "a:99999", ""]) {
      assert.match(await named("HTTP/1.1", `Host: ${host}`), /^HTTP\/1\.1 200 /, host);
    }
    assert.match(await named("HTTP/1.0"), /^HTTP\/1\.1 200 /);
    for (const headers of [[], ["Host: a b"], ["Host: ["]]) {
      assert.match(await named("HTTP/1.1", ...headers), /^HTTP\/1\.1 400 .*no Host header/s);
    }
  });

  it("that cannot be read is told why", async () => {
    const wrong: [string, RegExp][] = [
      [
        `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
        /^HTTP\/1\.1 431 .*"message":"no HTTP\/1\.1: /s,
      ],
      ["FETCH / HTTP/1.1\r\nHost: a\r\n\r\n", /^HTTP\/1\.1 400 .*"message":"no HTTP\/1\.1: .*method/s],
      ["GET / HTTP/1.2\r\nHost: a\r\n\r\n", /^HTTP\/1\.1 505 /],
    ];
    for (const [bytes, told] of wrong) assert.match(await exchange(bytes), told);
  });
});

describe("a compression", () => {
  it("is known by any of its names", async () => {
    for (const name of ["gzip", "GZIP", "x-gzip"]) {
      const headers = { "content-type": "application/json", "content-encoding": name };
      assert.equal((await post(put, headers, new Uint8Array(gzipSync(json)))).status, 200, name);
    }
  });

  it("that is not known is told which ones are, in all protocols", async () => {
    const connect = await post(put, { "content-type": "application/json", "content-encoding": "zstd" }, json);
    assert.deepEqual([connect.status, connect.headers.get("accept-encoding")], [501, "gzip, br"]);
    assert.match(
      JSON.parse(connect.text).message,
      /^content-encoding "zstd": allowed are identity, gzip, br$/,
    );
    const web = await post(
      put,
      { "content-type": "application/grpc-web", "grpc-encoding": "zstd" },
      enveloped,
    );
    assert.deepEqual(
      [web.headers.get("grpc-status"), web.headers.get("grpc-accept-encoding")],
      ["12", "gzip, br"],
    );
    const streamed = { "content-type": "application/connect+json", "connect-content-encoding": "zstd" };
    const stream = await post(watch, streamed, enveloped);
    assert.deepEqual([stream.status, stream.headers.get("connect-accept-encoding")], [200, "gzip, br"]);
    assert.equal(JSON.parse(stream.text.slice(5)).error.code, "unimplemented");
  });
});

describe("a client that sends its body only once it is told to (RFC 9110, 10.1.1)", () => {
  it("is told so in HTTP/1.1", async () => {
    const client = await dial(node.port);
    const fields = `Host: a\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n`;
    client.send(`POST ${put} HTTP/1.1\r\n${fields}Expect: 100-continue\r\nConnection: close\r\n\r\n`);
    await client.receives(/^HTTP\/1\.1 100 /);
    client.send(json);
    assert.match(await client.closed, /HTTP\/1\.1 200 /);
  });

  for (const type of ["application/json", "application/proto", "application/grpc"]) {
    it(`is told so in HTTP/2, with ${type}`, async () => {
      const client = await dial(node.port);
      const answer = () => framesIn(client.received()).filter(({ stream }) => stream === 1);
      client.send(http2Hello);
      client.send(headersFrame(1, { ...callHeaders(put, type), expect: "100-continue" }, false));
      await until("it may go on", 5_000, () =>
        answer().some(({ type: frameType }) => frameType === "HEADERS"),
      );
      const bodies = { "application/json": Buffer.from(json), "application/grpc": Buffer.from(enveloped) };
      client.send(frame(0x0, endStream, 1, Reflect.get(bodies, type) ?? message));
      await until("it is answered", 5_000, () => answer().some(({ flags }) => (flags & endStream) !== 0));
      client.socket.destroy();
    });
  }
});
