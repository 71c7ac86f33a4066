import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { transportNames, transportsTo } from "../../support/toy-node.ts";
import { assertServes, shareToyNode } from "../../support/toy-node-in-tests.ts";

const timeout = 30_000;
const messageBytesMax = 1_000_000;
const put = "/kvlab.v1.DataService/Put";

const { node } = await shareToyNode({ messageBytesMax });

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

describe("a method that does not exist", () => {
  for (const name of transportNames) {
    it(`is UNIMPLEMENTED in ${name}`, { timeout }, async () => {
      const transport = transportsTo(node.baseUrl)[name];
      const method = { ...DataService.method.put, name: "Nothing" };
      const error = await errorOf(transport.unary(method, undefined, undefined, undefined, { key: "a" }));
      assert.equal(error.code, Code.Unimplemented);
      await assertServes(node);
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
    await assertServes(node);
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
    ["JSON with half a surrogate pair in the name of a field", Buffer.from('{"\\ud800": 1}'), "json"],
    ["JSON with half a surrogate pair for a number", Buffer.from('{"ttlMs": "\\ud800"}'), "json"],
    ["JSON with a surrogate pair outside of strings", Buffer.from('{"key": 😀}'), "json"],
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

  it(": a GET whose message is not base64 although it says so", async () => {
    const url = `${node.baseUrl}/kvlab.v1.DataService/Get?encoding=proto&base64=1&message=`;
    const wrong = await fetch(`${url}%21%21`);
    assert.deepEqual([wrong.status, (await wrong.json()).code], [400, "invalid_argument"]);
    // Field 1, the key, is "??>": in both alphabets, with and without padding.
    for (const message of ["CgM_Pz4", "CgM%2FPz4%3D", "CgM_Pz4%3D"]) {
      assert.equal((await (await fetch(url + message)).json()).code, "not_found", message);
    }
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
    await assertServes(node);
  });
});
