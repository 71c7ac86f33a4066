import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AppendRequestSchema, ChangeKind } from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type { AppendRequest } from "../../../src/cluster/replication/peer.ts";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import { fromAppendRequest, toAppendRequest } from "../../../src/rpc/internal/append-messages.ts";
import { deleting, plain, put, putting } from "../../support/log-fixtures.ts";

const request: AppendRequest = {
  cluster: "c",
  group: "g",
  epoch: 5,
  primary: 1,
  target: 2,
  incarnation: "3",
  previous: { epoch: 5, seq: 0 },
  records: [],
  committedSeq: 0,
  leaseMs: 500,
};

const marked: readonly LogRecord[] = [
  { epoch: 5, seq: 1, changes: [putting("a", "1"), deleting("b")], move: { kind: "copy", revision: 77 } },
  { epoch: 5, seq: 2, changes: [], requestId: "r", move: { kind: "copy", revision: 78 } },
  { epoch: 5, seq: 3, changes: [deleting("a")], move: { kind: "forget" } },
  { epoch: 5, seq: 4, changes: [], move: { kind: "release", change: 3, to: "other" } },
  {
    epoch: 5,
    seq: 5,
    changes: [],
    move: { kind: "accept", change: 3, from: "other", revision: 80, ahead: 90, requestsAfter: 9 },
  },
];

const snapshot = {
  snapshotId: 1,
  index: 0,
  last: false,
  base: { epoch: 5, seq: 9 },
  epochs: [{ epoch: 5, firstSeq: 1 }],
  requestsAfter: 12,
  moves: {
    change: 3,
    released: new Set(["other", "third"]),
    accepted: new Map([["fourth", 80]]),
    aheads: [{ firstSeq: 5, ahead: 90 }],
    forgottenSeq: 2,
    copiedAfter: 12,
  },
};

function sent(request: AppendRequest) {
  return fromBinary(
    AppendRequestSchema,
    toBinary(AppendRequestSchema, create(AppendRequestSchema, toAppendRequest(request))),
  );
}

test("records come with their marks, and a snapshot with what its log says of moves", () => {
  const records = [put(5, 6, "c", "1"), ...marked];
  for (const index of [0, 1]) {
    const came = fromAppendRequest(sent({ ...request, records, snapshot: { ...snapshot, index } }));
    assert.deepEqual(plain(came.records), plain(records));
    assert.deepEqual(came.snapshot, { ...snapshot, index });
  }
  assert.deepEqual(plain(fromAppendRequest(sent({ ...request, records })).records), plain(records));
});

test("what earlier versions would ignore has a change of a kind that they refuse", () => {
  const earlier: readonly ChangeKind[] = [ChangeKind.PUT, ChangeKind.DELETE, ChangeKind.EXPIRE];
  const isRefused = (request: AppendRequest) =>
    sent(request).records.some(({ changes }) => changes.some(({ kind }) => !earlier.includes(kind)));
  for (const record of marked) assert.ok(isRefused({ ...request, records: [record] }));
  assert.ok(isRefused({ ...request, snapshot }));
  assert.ok(!isRefused({ ...request, records: [put(5, 1, "a", "1")], snapshot: { ...snapshot, index: 1 } }));
});

test("a kind of change or mark that this version does not know is refused", () => {
  const unknown = (kind: number) => {
    const message = sent({ ...request, records: [put(5, 1, "a", "1")] });
    for (const change of message.records[0]?.changes ?? []) Object.assign(change, { kind });
    return () => fromAppendRequest(message);
  };
  assert.throws(unknown(99), /unknown kind 99/);
  assert.throws(unknown(ChangeKind.MARK), /a mark of a later version/);
});
