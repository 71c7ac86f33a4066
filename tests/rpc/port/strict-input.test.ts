import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import {
  create,
  type DescMessage,
  type DescMethodStreaming,
  fromJson,
  type JsonObject,
} from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { AdminService } from "../../../gen/kvlab/v1/admin_pb.ts";
import {
  BatchRequestSchema,
  CompareSchema,
  DataService,
  OperationSchema,
  PutRequestSchema,
  RequestIdSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { startEmbeddedCluster } from "../../support/embedded-cluster.ts";

// What a caller has written wrong, or says in a newer schema, is refused: none of it is passed over.

const timeout = 60_000;
const cluster = await startEmbeddedCluster();
after(() => cluster.close());

const routerUrl = `http://${cluster.routers[0]?.address}`;
const data = createClient(DataService, cluster.transports.transportTo(routerUrl));
const topology = createClient(RouterService, cluster.transports.transportTo(routerUrl));
const { address, group } = await topology.locate({ key: "a" });
const servers = { router: routerUrl, "data node": `http://${address}` };
await data.put({ key: "a", value: { case: "text", value: "first" } });

async function assertUntouched(): Promise<void> {
  const { value, ttlLeftMs } = await data.get({ key: "a" });
  assert.deepEqual([value.value, ttlLeftMs], ["first", undefined]);
}

async function refusal(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => assert.fail("it was answered"),
    (reason: unknown) => ConnectError.from(reason),
  );
  assert.equal(error.code, Code.InvalidArgument, error.message);
  return error.rawMessage;
}

/** Bodies of Put, and what the answer has to name. */
const puts: readonly [string, string][] = [
  ['{"key":"a","value":"hello"}', "value"],
  ['{"key":"a","text":"x","ttl":"5s"}', "ttl"],
  ['{"key":"a","text":"x","ttlMs":"5s"}', "ttl_ms"],
  ['{"key":"a","text":"x","ifAbsnt":true}', "ifAbsnt"],
  ['{"key":"a","text":"x","if-absent":true}', "if-absent"],
  ['{"key":"a","text":"x","ifAbsent":"true"}', "if_absent"],
  ['{"key":"a","text":"x","ifRevision":-1}', "if_revision"],
  ['{"key":"a","text":"x","ifRevision":1.5}', "if_revision"],
  ['{"key":"a","text":"x","ifRevision":0}', "if_revision"],
  ['{"key":"a","text":"x","ifRevision":"18446744073709551616"}', "if_revision"],
  ['{"key":"a","text":"x","ifRevision":"18446744073709551615"}', "if_revision"],
  ['{"key":"a","text":"x","ifAbsent":true,"ifRevision":1}', "condition"],
  ['{"key":"a","text":"x","bytes":"eA=="}', "value"],
  ['{"key":"a","text":"x","text":"y"}', "text"],
  ['{"key":"a","text":"x","ttlMs":1,"ttl_ms":2}', "ttl_ms"],
  ['{"key":"a","text":"x","requestId":{"id":"1","after":1}}', "after"],
  ['{"key":"a"}', "value"],
  ['{"key":"a","text":null}', "value"],
  ['{"key":"a","bytes":"no base64!"}', "bytes"],
];

for (const [name, url] of Object.entries(servers)) {
  describe(`JSON that a ${name} does not understand is INVALID_ARGUMENT, by name`, () => {
    it("in the body of a put", { timeout }, async () => {
      for (const [body, field] of puts) {
        const response = await fetch(`${url}/kvlab.v1.DataService/Put`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body,
        });
        const { code, message } = await response.json();
        assert.deepEqual([response.status, code], [400, "invalid_argument"], `${body}: ${message}`);
        assert.ok(message.includes(field), `${body}: ${message}`);
      }
      await assertUntouched();
    });

    it("in the query of a GET, and as its parameters", { timeout }, async () => {
      const message = encodeURIComponent('{"key":"a"}');
      const wrong: [string, RequestInit, string][] = [
        [`Get?encoding=json&message=${encodeURIComponent('{"key":"a","kee":"b"}')}`, {}, "kee"],
        [`Get?encoding=json&message=${message}&key=b`, {}, '"key"'],
        [`Get?encoding=json&message=${message}&message=${message}`, {}, '"message" twice'],
        ["Put?ifAbsent=true", { method: "POST", body: '{"key":"a","text":"x"}' }, '"ifAbsent"'],
      ];
      for (const [path, init, names] of wrong) {
        const headers = { "content-type": "application/json" };
        const response = await fetch(`${url}/kvlab.v1.DataService/${path}`, { headers, ...init });
        const { code, message } = await response.json();
        assert.deepEqual([response.status, code], [400, "invalid_argument"], path);
        assert.ok(message.includes(names), message);
      }
      const right = await fetch(
        `${url}/kvlab.v1.DataService/Get?connect=v1&encoding=json&base64=1&message=${Buffer.from('{"key":"a"}').toString("base64url")}`,
      );
      assert.equal((await right.json()).text, "first");
      await assertUntouched();
    });

    const options = { baseUrl: url, useBinaryFormat: false, acceptCompression: [] };
    const transports: Record<string, Transport> = {
      gRPC: createGrpcTransport(options),
      "gRPC-Web": createGrpcWebTransport({ ...options, httpVersion: "2" }),
      Connect: createConnectTransport({ ...options, httpVersion: "2" }),
    };
    for (const [protocol, transport] of Object.entries(transports)) {
      it(`in ${protocol}, alone and in streams`, { timeout }, async () => {
        const unary = { ...DataService.method.put, input: StructSchema };
        const put = { key: "a", text: "x", ifAbsnt: true };
        const answered = transport.unary(unary, undefined, undefined, undefined, struct(put));
        assert.match(await refusal(answered), /ifAbsnt/);
        const streams: [DescMethodStreaming, JsonObject, RegExp][] = [
          [DataService.method.scan, { group, prefx: "a" }, /prefx/],
          [DataService.method.watch, { group, key: "a", after: 1 }, /after/],
          [DataService.method.pipe, { operations: [{ id: 1, put: { key: "a", text: "x", ttl: 1 } }] }, /ttl/],
        ];
        for (const [method, message, names] of streams) {
          const stream = { ...method, input: StructSchema };
          const call = async () => {
            const messages = each([struct(message)]);
            const answers = await transport.stream(stream, undefined, undefined, undefined, messages);
            for await (const _answer of answers.message) assert.fail("it was answered");
          };
          assert.match(await refusal(call()), names);
        }
        await assertUntouched();
      });
    }
  });
}

/** Any JSON. */
function struct(json: JsonObject) {
  return fromJson(StructSchema, json);
}

async function* each<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items;
}

it("JSON that the other services of a router do not understand is refused, too", { timeout }, async () => {
  const bodies: [string, string, string][] = [
    [RouterService.typeName, "Locate", '{"kee":"a"}'],
    [RouterService.typeName, "GetTopology", '{"kee":"a"}'],
    [AdminService.typeName, "Transfer", '{"group":"zdata1","number":1,"kee":true}'],
    [AdminService.typeName, "Recover", '{"group":"zdata1","kee":true}'],
    [DataService.typeName, "Batch", '{"operations":[{"put":{"key":"a","text":"x","kee":1}}]}'],
    [DataService.typeName, "Delete", '{"key":"a","kee":1}'],
    [DataService.typeName, "Exchange", '{"operations":[{"id":1,"put":{"key":"a","text":"x","kee":1}}]}'],
    [DataService.typeName, "Status", '{"group":"zdata1","kee":1}'],
    ["grpc.health.v1.Health", "Check", '{"kee":"a"}'],
  ];
  for (const [service, method, body] of bodies) {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${routerUrl}/${service}/${method}`, { method: "POST", headers, body });
    const { code, message } = await response.json();
    assert.deepEqual([response.status, code], [400, "invalid_argument"], `${service}/${method}: ${message}`);
    assert.ok(message.includes('"kee"'), message);
  }
  await assertUntouched();
});

/** A field that no schema has. */
const unknown = [{ no: 99, wireType: 0, data: Uint8Array.of(1) }];
const field99 = /has the field 99, which this server does not know/;

for (const [name, url] of Object.entries(servers)) {
  it(`a ${name} refuses a request with a field that it does not know, at whatever depth`, {
    timeout,
  }, async () => {
    const client = createClient(DataService, cluster.transports.transportTo(url));
    const strange = <Desc extends DescMessage>(schema: Desc) => {
      return Object.assign(create(schema), { $unknown: unknown });
    };
    const value = { case: "text", value: "x" } as const;
    const put = create(PutRequestSchema, { key: "a", value });
    const strangePut = { ...put, $unknown: unknown };
    const calls = [
      () => client.put(strangePut),
      () => client.put({ ...put, requestId: { ...strange(RequestIdSchema), id: "strange" } }),
      () => client.batch({ operations: [{ operation: { case: "put", value: strangePut } }] }),
      () => client.batch({ ...strange(BatchRequestSchema), operations: [] }),
      () =>
        client.batch({
          compares: [{ ...strange(CompareSchema), key: "a", condition: { case: "ifPresent", value: true } }],
          operations: [{ operation: { case: "put", value: put } }],
        }),
    ];
    for (const call of calls) assert.match(await refusal(call()), field99);

    // In a pipe, the others are of no concern.
    const operations = [
      { id: 1, call: { case: "put", value: strangePut } },
      { ...strange(OperationSchema), id: 2, call: { case: "put", value: put } },
      { id: 3, call: { case: "get", value: { key: "a" } } },
    ] as const;
    const { answers } = await client.exchange({ operations: [...operations] });
    const told = answers.toSorted((one, other) => one.id - other.id).map(({ answer }) => answer);
    assert.deepEqual(
      told.map(({ case: kind, value }) => (kind === "failure" ? value.code : kind)),
      [Code.InvalidArgument, Code.InvalidArgument, "get"],
    );
    await assertUntouched();
  });
}
