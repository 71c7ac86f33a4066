import assert from "node:assert/strict";
import * as http2 from "node:http2";
import { after, before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  type Answer,
  AnswerSchema,
  DataService,
  type OperationSchema,
  PipeRequestSchema,
  PipeResponseSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { systemClock } from "../../../src/common/clock.ts";
import { pipeHandlers } from "../../../src/rpc/kv/pipe-service.ts";
import type { UnaryCalls } from "../../../src/rpc/kv/unary-calls.ts";
import { type Listener, listen } from "../../../src/rpc/port/listener.ts";
import { type RawAnswer, type RawCall, rawExchange } from "../../support/raw-exchange.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { until } from "../../support/until.ts";

const timeout = 240_000;
const messageBytesMax = 20_000;
const drainMs = 30_000;

/** Everything that an answer can be, by the key. */
const values: Readonly<Record<string, (signal: AbortSignal) => Promise<Uint8Array> | Uint8Array>> = {
  empty: () => new Uint8Array(0),
  short: () => Buffer.from("value"),
  long: () => Buffer.alloc(300_000, "abcdefgh"),
  soon: async () => Buffer.from("soon"),
  later: () => new Promise((resolve) => setTimeout(() => resolve(Buffer.from("later")), 1)),
  never: (signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  crash: () => {
    throw new TypeError("a bug");
  },
  detailed: () => {
    const details = [{ desc: NotAppliedSchema, value: {} }];
    throw new ConnectError("key “ä” is busy: 100 %\n", Code.Unavailable, undefined, details);
  },
};

const makeValue = (key: string, signal: AbortSignal) => {
  const make = values[key];
  if (make === undefined) throw new ConnectError(`no such key: ${key}`, Code.NotFound);
  return make(signal);
};
const calls: UnaryCalls = {
  get({ key }, { signal }) {
    const answerOf = (value: Uint8Array) => ({ value: { case: "bytes" as const, value }, revision: 3n });
    const value = makeValue(key, signal);
    return value instanceof Promise ? value.then(answerOf) : answerOf(value);
  },
  put: async ({ key }, { signal }) => ({ revision: BigInt((await makeValue(key, signal)).length) }),
  delete: async ({ key }, { signal }) => ({ revision: BigInt((await makeValue(key, signal)).length) }),
  batch: async ({ operations }) => ({ revision: BigInt(operations.length) }),
};

/** Pipes that were opened, by the way that they came. */
const given = { fast: 0, general: 0 };
function routes(router: ConnectRouter): void {
  const { pipe } = pipeHandlers(calls, systemClock);
  const general: typeof pipe = Object.assign(
    (...args: Parameters<typeof pipe>) => {
      given.general++;
      return pipe(...args);
    },
    {
      open: (...args: Parameters<(typeof pipe)["open"]>) => {
        given.fast++;
        return pipe.open(...args);
      },
    },
  );
  router.service(DataService, { pipe: general });
}

type Choose = <T>(list: readonly T[]) => T;
type Below = (count: number) => number;

interface Sent extends RawCall {
  readonly headers: Readonly<Record<string, string>>;
  readonly isOpen: boolean;
}

interface Received extends Omit<RawAnswer, "body"> {
  readonly answers: readonly Answer[];
  /** What ends a stream of Connect. */
  readonly end: string;
}

describe("the two ways to answer a pipe", () => {
  let listener: Listener;
  let session: http2.ClientHttp2Session;
  before(async () => {
    listener = await listen({ host: "127.0.0.1", port: 0, routes, messageBytesMax, drainMs, log: () => {} });
    session = http2.connect(`http://127.0.0.1:${listener.port}`);
    session.on("error", () => {});
  });
  after(async () => {
    session.destroy();
    await listener.close();
  });

  async function exchange({ headers, ...call }: Sent): Promise<Received> {
    const path = { ":path": "/kvlab.v1.DataService/Pipe" };
    const { body, ...received } = await rawExchange(session, { ...call, headers: { ...path, ...headers } });
    return { ...received, ...parsed(body) };
  }

  it("give the same status, fields, trailers and answers, whatever comes", { timeout }, async () => {
    const { pick, below } = chance(2);
    const seen = new Map<string, number>();
    for (let round = 0; round < 24; round++) {
      const batch = Array.from({ length: 25 }, () => generated(pick, below));
      await Promise.all(
        batch.map(async (sent) => {
          const [fast, general] = await Promise.all([exchange(sent), exchange(generally(sent))]);
          assertSame(fast, general, JSON.stringify({ ...sent, chunks: sent.chunks.map((c) => c.length) }));
          const kind = fast.end === "" ? `gRPC ${fast.trailers["grpc-status"]}` : codeIn(fast.end);
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
        }),
      );
    }
    // The generator makes streams of every kind: not only such as are refused.
    const kinds = ["gRPC 0", "gRPC 3", "gRPC 8", "gRPC 13", "Connect", "Connect invalid_argument"];
    for (const kind of kinds) assert.ok((seen.get(kind) ?? 0) > 5, `${kind}: ${JSON.stringify([...seen])}`);
    assert.ok(given.fast > 300 && given.general > 300, JSON.stringify(given));
  });

  it("end a stream whose caller does not, when its time is over", { timeout }, async () => {
    const { pick, below } = chance(4);
    const batch = Array.from({ length: 20 }, (_, index) => {
      const isGrpc = index % 2 === 0;
      const fields = fieldsOf(isGrpc ? "application/grpc" : "application/connect+proto");
      const limit: Record<string, string> = isGrpc
        ? { "grpc-timeout": "2S" }
        : { "connect-timeout-ms": "2000" };
      const operations = Array.from({ length: below(6) }, (_, id) => operation(pick, id));
      return { headers: { ...fields, ...limit }, chunks: [enveloped(message(operations))], isOpen: true };
    });
    await Promise.all(
      batch.map(async (sent) => {
        const [fast, general] = await Promise.all([exchange(sent), exchange(generally(sent))]);
        assertSame(fast, general, JSON.stringify(sent.headers));
      }),
    );
  });

  it("answer a stream that comes byte by byte", { timeout }, async () => {
    for (const type of ["application/grpc", "application/connect+proto"]) {
      const bytes = enveloped(message([{ id: 7, call: get("short") }, { id: 8 }]));
      const whole = Buffer.concat([bytes, bytes]);
      for (let at = 1; at < whole.length; at++) {
        const chunks = [whole.subarray(0, at), whole.subarray(at)];
        const { answers, code } = await exchange({ headers: fieldsOf(type), chunks, isOpen: false });
        assert.deepEqual(
          [answers.map(({ id }) => id).sort(), code],
          [[7, 7, 8, 8], 0],
          `${type}, byte ${at}`,
        );
      }
    }
  });

  it("send a caller that reads slowly all that it has asked for", { timeout }, async () => {
    const operations = Array.from({ length: 50 }, (_, id) => ({ id, call: get("long") }));
    const chunks = [enveloped(message(operations))];
    for (const headers of [fieldsOf("application/grpc"), fieldsOf("application/grpc;")]) {
      const { answers, trailers } = await exchange({ headers, chunks, isOpen: false });
      assert.equal(answers.length, 50);
      for (const { answer } of answers) {
        assert.ok(answer.case === "get" && answer.value.value.value?.length === 300_000);
      }
      assert.equal(trailers["grpc-status"], "0");
    }
  });

  it("know that a call is over when its caller has gone", { timeout }, async () => {
    const { pick, below } = chance(3);
    const other = await listen({
      host: "127.0.0.1",
      port: 0,
      routes,
      messageBytesMax,
      drainMs,
      log: () => {},
    });
    const caller = http2.connect(`http://127.0.0.1:${other.port}`);
    caller.on("error", () => {});
    for (let round = 0; round < 100; round++) {
      const { headers, chunks } = generated(pick, below);
      const stream = caller.request({ ":method": "POST", ":path": "/kvlab.v1.DataService/Pipe", ...headers });
      stream.on("error", () => {});
      stream.resume();
      const closed = new Promise((resolve) => stream.once("close", resolve));
      for (const chunk of chunks.slice(0, below(chunks.length + 1))) stream.write(chunk);
      if (pick([true, false])) await new Promise((resolve) => setImmediate(resolve));
      stream.close(http2.constants.NGHTTP2_CANCEL);
      await closed;
    }
    caller.close();
    const begunMs = performance.now();
    await other.close();
    assert.ok(
      performance.now() - begunMs < drainMs / 2,
      "the listener has waited for a call without a caller",
    );
  });

  it("end at the close of the listener once what has begun is answered", { timeout }, async () => {
    for (const type of ["application/grpc", "application/grpc;", "application/connect+proto"]) {
      const other = await listen({ host: "127.0.0.1", port: 0, routes, messageBytesMax, log: () => {} });
      const caller = http2.connect(`http://127.0.0.1:${other.port}`);
      caller.on("error", () => {});
      const stream = caller.request({
        ":method": "POST",
        ":path": "/kvlab.v1.DataService/Pipe",
        ...fieldsOf(type),
      });
      const received: Uint8Array[] = [];
      stream.on("data", (chunk: Uint8Array) => received.push(chunk));
      const answers = () => parsed(Buffer.concat(received)).answers;
      let status: unknown;
      stream.on("trailers", (trailers) => {
        status = trailers["grpc-status"];
      });
      const ended = new Promise((resolve) => stream.once("end", resolve));
      const operations = [
        { id: 1, call: get("short") },
        { id: 2, timeoutMs: 200, call: get("never") },
      ];
      stream.write(enveloped(message(operations)));
      await until("the first answer", 5_000, () => answers().length === 1);
      const closed = other.close();
      await ended;
      stream.end();
      await closed;
      assert.deepEqual(
        answers().map(({ id, answer }) => [id, answer.case]),
        [
          [1, "get"],
          [2, "failure"],
        ],
      );
      assert.equal(status, type.startsWith("application/grpc") ? "0" : undefined, type);
      caller.destroy();
    }
  });
});

/**
 * With an error in the stream, the general way may drop messages that came in one chunk with it: then the answers of one
 * are among those of the other.
 */
function assertSame(fast: Received, general: Received, shown: string): void {
  assert.deepEqual({ ...fast, answers: [] }, { ...general, answers: [] }, shown);
  const isError = fast.end === "" ? fast.trailers["grpc-status"] !== "0" : codeIn(fast.end) !== "Connect";
  const texts = (answers: readonly Answer[]) =>
    answers.map((answer) => Buffer.from(toBinary(AnswerSchema, answer)).toString("base64")).sort();
  const [a, b] = [texts(fast.answers), texts(general.answers)];
  if (isError)
    assert.ok(
      b.every((answer) => a.includes(answer)),
      shown,
    );
  else assert.deepEqual(a, b, shown);
}

/** The code of the error in an end, if there is one. */
function codeIn(end: string): string {
  const { error } = JSON.parse(end) as { error?: { code: string } };
  return error === undefined ? "Connect" : `Connect ${error.code}`;
}

function parsed(body: Buffer): Pick<Received, "answers" | "end"> {
  const answers: Answer[] = [];
  let end = "";
  for (let at = 0; at < body.length; ) {
    const from = at + 5;
    const to = from + body.readUInt32BE(at + 1);
    if (to > body.length) break;
    const flags = body[at] ?? 0;
    const bytes = (flags & 1) === 0 ? body.subarray(from, to) : gunzipSync(body.subarray(from, to));
    if ((flags & 2) === 0) answers.push(...fromBinary(PipeResponseSchema, bytes).answers);
    else end = bytes.toString();
    at = to;
  }
  return { answers, end };
}

/** The same, but for a character without meaning with which only the general way is familiar. */
function generally(sent: Sent): Sent {
  return { ...sent, headers: { ...sent.headers, "content-type": `${sent.headers["content-type"]};` } };
}

function chance(seed: number): { pick: Choose; below: Below } {
  const next = seededRandom(seed);
  const below = (count: number) => Math.floor(next() * count);
  return { below, pick: <T>(list: readonly T[]): T => list[below(list.length)] as T };
}

function fieldsOf(type: string): Record<string, string> {
  return { "content-type": type, te: "trailers" };
}

function generated(pick: Choose, below: Below): Sent {
  const type = pick(["application/grpc", "application/grpc+proto", "application/connect+proto"]);
  const isGrpc = type.startsWith("application/grpc");
  const headers = fieldsOf(type);
  const add = (field: string, given: readonly (string | undefined)[]) => {
    const value = pick(given);
    if (value !== undefined) headers[field] = value;
  };
  const often = Array.from({ length: 12 }, () => undefined);
  if (isGrpc) add("grpc-timeout", [...often, "99999999H", "30S", "5", "-1S", ""]);
  else add("connect-timeout-ms", [...often, "9999999999", "30000", "-1", "1.5", ""]);
  const prefix = isGrpc ? "grpc-" : "connect-";
  add(isGrpc ? "grpc-encoding" : "connect-content-encoding", [...often, "identity", "gzip", "zstd"]);
  add(`${prefix}accept-encoding`, [...often, "identity", "gzip"]);
  add("connect-protocol-version", [undefined, "1", "7"]);
  let id = 0;
  const messages = Array.from({ length: below(5) }, () => {
    return message(Array.from({ length: below(6) }, () => operation(pick, ++id)));
  });
  const envelopes = messages.map((bytes) => enveloped(bytes));
  // The general way looks at the lengths of all that has come in a chunk before it looks at its first message. So there
  // is one error in a stream.
  const damage = pick([damagedMessage, damagedEnd, undefined, undefined]);
  if (damage !== undefined && messages.length > 0) {
    const at = damage === damagedEnd ? messages.length - 1 : below(messages.length);
    envelopes[at] = damage(messages[at] ?? new Uint8Array(0), pick, below);
  }
  return { headers, isOpen: false, chunks: cut(envelopes, pick, below) };
}

type Operation = MessageInitShape<typeof OperationSchema>;

const keys = [...Object.keys(values).filter((key) => key !== "never"), "unknown", ""];

function operation(pick: Choose, id: number): Operation {
  const key = pick(keys);
  return pick<Operation>([
    { id, call: get(key) },
    { id, call: get(key), timeoutMs: 60_000 },
    { id, call: get("never"), timeoutMs: 20 },
    { id, call: { case: "put", value: { key, value: { case: "text", value: pick(["", "ü"]) } } } },
    { id, call: { case: "delete", value: { key } } },
    { id, call: { case: "batch", value: { operations: [{}] } } },
    { id },
    // With a field that nobody knows.
    {
      id,
      call: { case: "get", value: { key, $unknown: [{ no: 99, wireType: 0, data: Buffer.from([1]) }] } },
    },
  ]);
}

function get(key: string): NonNullable<Operation["call"]> {
  return { case: "get", value: { key } };
}

function message(operations: Operation[]): Uint8Array {
  return toBinary(PipeRequestSchema, create(PipeRequestSchema, { operations }));
}

function enveloped(bytes: Uint8Array, flags = 0): Buffer {
  const envelope = Buffer.alloc(5);
  envelope[0] = flags;
  envelope.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([envelope, bytes]);
}

/** An envelope with a message that is none, or that is refused. */
function damagedMessage(bytes: Uint8Array, pick: Choose, below: Below): Buffer {
  const envelope = enveloped(bytes);
  switch (pick(["flags", "long", "unknown", "flip"])) {
    case "flags":
      return enveloped(bytes, pick([1, 2, 3, 128]));
    case "long":
      return enveloped(Buffer.alloc(messageBytesMax + pick([-40, 0, 1])));
    case "unknown":
      return enveloped(Buffer.concat([bytes, Buffer.from([0xa0, 0x1f, 1])]));
    default:
      if (bytes.length > 0) envelope[5 + below(bytes.length)] = below(256);
      return envelope;
  }
}

/** The end of a stream that ends elsewhere than its last envelope says. */
function damagedEnd(bytes: Uint8Array, pick: Choose, below: Below): Buffer {
  const envelope = enveloped(bytes);
  switch (pick(["length", "rest", "cut"])) {
    case "length":
      envelope.writeUInt32BE(pick([0, messageBytesMax + 1, 0xffffffff]), 1);
      return envelope;
    case "rest":
      return Buffer.concat([envelope, Buffer.from([0])]);
    default:
      return envelope.subarray(0, below(envelope.length));
  }
}

function cut(envelopes: readonly Buffer[], pick: Choose, below: Below): Uint8Array[] {
  const how = pick(["envelopes", "whole", "two", "bits"]);
  const body = Buffer.concat(envelopes);
  if (body.length === 0) return [];
  if (how === "envelopes") return envelopes.filter(({ length }) => length > 0);
  if (how === "whole") return [body];
  if (how === "two") {
    const at = below(body.length);
    return [body.subarray(0, at), body.subarray(at)].filter(({ length }) => length > 0);
  }
  const bits: Uint8Array[] = [];
  for (let at = 0; at < Math.min(body.length, 200); at += 3) {
    bits.push(body.subarray(at, Math.min(at + 3, 200)));
  }
  return [...bits, body.subarray(200)].filter(({ length }) => length > 0);
}
