import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { WatchRequestSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import { fromWatch } from "../../../src/rpc/kv/key-messages.ts";

test("where a watch begins is said in one way", () => {
  const after = (request: {
    afterRevision?: bigint;
    afterEpoch?: bigint;
    afterRingChange?: bigint;
    fromNow?: boolean;
  }) => fromWatch(create(WatchRequestSchema, request)).after;
  assert.equal(after({}), undefined);
  assert.deepEqual(after({ afterRevision: 7n }), { epoch: 0, revision: 7 });
  assert.deepEqual(after({ afterRevision: 7n, afterEpoch: 2n }), { epoch: 2, revision: 7 });
  assert.deepEqual(after({ afterRingChange: 3n }), { change: 3 });
  assert.deepEqual(after({ afterRingChange: 3n, fromNow: true }), { acceptedSince: 3 });
  const invalid = { code: "invalid" };
  assert.throws(() => after({ fromNow: true }), invalid);
  assert.throws(() => after({ afterRingChange: 3n, afterRevision: 7n }), invalid);
  assert.throws(() => after({ afterEpoch: 2n }), invalid);
  assert.throws(() => after({ afterRingChange: 3n, afterEpoch: 2n }), invalid);
});
