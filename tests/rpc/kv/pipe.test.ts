import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Answer, DataService, type PipeRequestSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { startEmbeddedCluster } from "../../support/embedded-cluster.ts";

const cluster = await startEmbeddedCluster({ valueBytesMax: 100_000 });
after(() => cluster.close());

const address = cluster.routers[0]?.address ?? "";
const data = createClient(DataService, cluster.transports.transportTo(address));
const router = createClient(RouterService, cluster.transports.transportTo(address));

const text = (value: string) => ({ case: "text" as const, value });

test("calls of a pipe are answered in any order, each with its own outcome", async () => {
  const value = text("piped");
  const answers = await pipe(address, [
    [
      { id: 1, call: { case: "put", value: { key: "p1", value } } },
      { id: 2, call: { case: "get", value: { key: "no such key" } } },
      { id: 3 },
    ],
    [
      {
        id: 4,
        call: { case: "put", value: { key: "p1", value, condition: { case: "ifRevision", value: 1n } } },
      },
    ],
  ]);
  assert.deepEqual([...answers.keys()].sort(), [1, 2, 3, 4]);
  assert.equal(answers.get(1)?.answer.case, "put");
  const codes = [2, 3, 4].map((id) => {
    const answer = answers.get(id)?.answer;
    return answer?.case === "failure" ? answer.value.code : undefined;
  });
  assert.deepEqual(codes, [Code.NotFound, Code.InvalidArgument, Code.FailedPrecondition]);
  const refusal = answers.get(4)?.answer;
  assert.ok(refusal?.case === "failure");
  assert.equal(refusal.value.details[0]?.typeUrl, "type.googleapis.com/kvlab.v1.ConditionFailed");
});

test("thousands of calls with much more than 64 KiB of answers pass through one pipe", async () => {
  const value = { case: "bytes" as const, value: new Uint8Array(50_000) };
  await data.put({ key: "large", value });
  const { address: primary } = await router.locate({ key: "large" });
  const messages = Array.from({ length: 30 }, (_, message) =>
    Array.from({ length: 100 }, (_, index) => {
      const id = message * 100 + index + 1;
      return { id, call: { case: "get" as const, value: { key: id % 10 === 0 ? "large" : "no such key" } } };
    }),
  );
  for (const to of [address, primary]) {
    const answers = await pipe(to, messages);
    assert.equal(answers.size, 3000);
    const large = [...answers.values()].filter(({ answer }) => answer.case === "get");
    assert.equal(large.length, 300);
  }
});

test("an exchange is a message of a pipe as a call of its own", async () => {
  const { answers } = await data.exchange({
    operations: [
      { id: 7, call: { case: "put", value: { key: "x", value: text("1") } } },
      { id: 8, call: { case: "get", value: { key: "no such key" } } },
    ],
  });
  assert.deepEqual(answers.map(({ id, answer }) => [id, answer.case]).sort(), [
    [7, "put"],
    [8, "failure"],
  ]);
});

test("an exchange in JSON is answered in JSON, also where calls have failed, with the details", async () => {
  const { address: primary } = await router.locate({ key: "{json}" });
  const refused = { id: 2, put: { key: "{json}", text: "2", ifAbsent: true } };
  for (const to of [address, primary]) {
    const operations = [{ id: 1, put: { key: "{json}", text: "1" } }, refused, { id: 3 }];
    const post = async (...body: object[]) => {
      const response = await fetch(`http://${to}/kvlab.v1.DataService/Exchange`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ operations: body }),
      });
      return { status: response.status, ...(await response.json()) };
    };
    await post(...operations.slice(0, 1));
    const { status, answers, message } = await post(...operations.slice(1));
    assert.equal(status, 200, message);
    const failures = new Map(answers.map(({ id = 0, failure = {} }) => [id, failure]));
    assert.deepEqual(
      [2, 3].map((id) => Reflect.get(failures.get(id) ?? {}, "code")),
      [Code.FailedPrecondition, Code.InvalidArgument],
    );
    const [detail] = Reflect.get(failures.get(2) ?? {}, "details") ?? [];
    assert.deepEqual(
      [detail["@type"], detail.key],
      ["type.googleapis.com/kvlab.v1.ConditionFailed", "{json}"],
    );
  }
});

test("an exchange answers as many reads as have room in a message, and says of the others that they can be made again", async () => {
  const value = { case: "bytes" as const, value: new Uint8Array(100_000) };
  await data.put({ key: "large", value });
  const operations = Array.from({ length: 50 }, (_, index) => ({
    id: index + 1,
    call: { case: "get" as const, value: { key: "large" } },
  }));
  const { answers } = await data.exchange({ operations });
  const counts = new Map<string | undefined, number>();
  for (const { answer } of answers) counts.set(answer.case, (counts.get(answer.case) ?? 0) + 1);
  assert.equal(answers.length, 50);
  assert.equal(counts.get("get"), 10);
  for (const { answer } of answers) {
    if (answer.case === "failure") assert.equal(answer.value.code, Code.Unavailable);
  }
  const tooMany = Array.from({ length: 1001 }, (_, index) => ({ ...operations[0], id: index + 1 }));
  await assert.rejects(data.exchange({ operations: tooMany }), (error) => {
    return ConnectError.from(error).code === Code.InvalidArgument;
  });
});

/** Sends messages through one pipe and returns the answers by id. */
async function pipe(
  to: string,
  messages: MessageInitShape<typeof PipeRequestSchema>["operations"][],
): Promise<Map<number, Answer>> {
  // Deno's client loses what it has not read when a stream ends; our own transport, over Connect, makes up for that.
  const transport =
    "Deno" in globalThis
      ? cluster.transports.transportTo(to)
      : createGrpcTransport({ baseUrl: `http://${to}` });
  const client = createClient(DataService, transport);
  async function* requests() {
    for (const operations of messages) yield operations === undefined ? {} : { operations };
  }
  const answers = new Map<number, Answer>();
  for await (const { answers: some } of client.pipe(requests(), { timeoutMs: 30_000 })) {
    for (const answer of some) answers.set(answer.id, answer);
  }
  return answers;
}
