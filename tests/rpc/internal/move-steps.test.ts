import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { MoveOutRequestSchema, MoveOutResponseSchema } from "../../../gen/kvlab/internal/v1/move_pb.ts";
import type { MoveChunk, MoveOutRequest } from "../../../src/cluster/replication/peer.ts";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import {
  fromMoveOutRequest,
  fromMoveOutResponse,
  toMoveOutRequest,
  toMoveOutResponse,
} from "../../../src/rpc/internal/move-steps.ts";
import { deleting, plain, putting } from "../../support/log-fixtures.ts";

const next = { kind: "next", index: 7 } as const;

function sent(answer: MessageInitShape<typeof MoveOutResponseSchema>) {
  return fromBinary(
    MoveOutResponseSchema,
    toBinary(MoveOutResponseSchema, create(MoveOutResponseSchema, answer)),
  );
}

function copy(revision: number, record: Pick<LogRecord, "changes" | "requestId">): LogRecord {
  return { epoch: 0, seq: 0, ...record, move: { kind: "copy", revision } };
}

const chunk: MoveChunk = {
  records: [
    copy(2 ** 53 - 1, { changes: [putting("a", "1"), deleting("b"), putting("c", "", { text: false })] }),
    copy(5, { changes: [], requestId: "r1" }),
    copy(6, { changes: [putting("é", "value", { expiresMs: 1_700_000_000_000 })], requestId: "r2" }),
  ],
  behind: 3,
  end: { revision: 9, requestsAfter: 4 },
};

test("a chunk of a move comes as it was sent", () => {
  const received = fromMoveOutResponse(sent(toMoveOutResponse({ chunk })), next).chunk;
  assert.deepEqual(plain(received?.records), plain(chunk.records));
  assert.deepEqual(
    received?.records.map(({ move, changes }) => [move, changes.map(({ expiresMs }) => expiresMs)]),
    chunk.records.map(({ move, changes }) => [move, changes.map(({ expiresMs }) => expiresMs)]),
  );
  assert.deepEqual([received?.behind, received?.end], [chunk.behind, chunk.end]);
});

test("a chunk without records comes as that, and not as the end", () => {
  const received = fromMoveOutResponse(sent(toMoveOutResponse({ chunk: { records: [] } })), next).chunk;
  assert.deepEqual(received, { records: [] });
});

test("a chunk whose columns do not fit each other is refused", () => {
  for (const column of [
    "requestIds",
    "changeCounts",
    "keys",
    "values",
    "kinds",
    "texts",
    "expiresMs",
    "revisions",
  ] as const) {
    const broken = sent(toMoveOutResponse({ chunk }));
    broken.copies?.[column].shift();
    assert.throws(() => fromMoveOutResponse(broken, next), /columns do not fit/, column);
  }
});

test("a chunk that has no copies, as one of another version may be, is not taken for an empty one", () => {
  const broken = sent(toMoveOutResponse({ chunk }));
  broken.copies = undefined;
  assert.throws(() => fromMoveOutResponse(broken, next), /without its copies/);
});

test("what is no copy is not sent as one", () => {
  const record: LogRecord = { epoch: 1, seq: 1, changes: [putting("a", "1")] };
  assert.throws(() => toMoveOutResponse({ chunk: { records: [record] } }), /sent as a copy/);
});

test("a node of an earlier version, which would take a chunk of columns for an empty one, is refused", () => {
  const request: MoveOutRequest = {
    group: "g",
    to: "h",
    change: 1,
    attempt: "1.1",
    cluster: "c",
    step: next,
  };
  const bytes = toBinary(MoveOutRequestSchema, create(MoveOutRequestSchema, toMoveOutRequest(request)));
  assert.deepEqual(fromMoveOutRequest(fromBinary(MoveOutRequestSchema, bytes)), request);
  // Field 7 was the step "next": its tag is 7 << 3.
  const earlier = Uint8Array.from([...bytes.subarray(0, -2), 7 << 3, 7]);
  assert.throws(() => fromMoveOutRequest(fromBinary(MoveOutRequestSchema, earlier)), /the step is not set/);
});
