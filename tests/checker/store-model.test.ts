// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at, get, getNothing, on, put, remove, since } from "./hand-written.ts";
import type { History } from "./history.ts";
import { checkLinearizability } from "./linearizability.ts";
import { describeViolation } from "./report.ts";
import {
  type BatchOperation,
  type BatchResult,
  type BatchWrite,
  type ExpireOperation,
  type ScanOperation,
  type StoreCondition,
  type StoreOperation,
  storeModel,
} from "./store-model.ts";

const absent: StoreCondition = { kind: "absent" };
const present: StoreCondition = { kind: "present" };
const revision = (revision: number): StoreCondition => ({ kind: "revision", revision });

/** Values by key; undefined deletes. */
function batch(
  values: Readonly<Record<string, string | undefined>>,
  result?: BatchResult,
  conditions: Readonly<Record<string, StoreCondition>> = {},
): BatchOperation {
  const compares = Object.entries(conditions).map(([key, condition]) => ({ key, condition }));
  const writes = Object.entries(values).map(
    ([key, value]): BatchWrite =>
      value === undefined ? { kind: "delete", key } : { kind: "put", key, value },
  );
  return { kind: "batch", compares, writes, result };
}

/** A put of the key `k` under a condition. Without a result: the outcome is unknown. */
function putIf(condition: StoreCondition, value: string, result?: BatchResult): BatchOperation {
  return batch({ k: value }, result, { k: condition });
}

const done = (revision: number): BatchResult => ({ revision });
const refused = (revision: number, refused = "k"): BatchResult => ({ refused, revision });

/** Of the keys `k` and `l`; with their revisions. */
function scan(found: Readonly<Record<string, readonly [value: string, revision: number]>>): ScanOperation {
  const shown = Object.entries(found).map(([key, [value, revision]]) => ({ key, value, revision }));
  const at = Math.max(0, ...shown.map(({ revision }) => revision));
  return { kind: "scan", keys: ["k", "l"], result: { at, found: shown } };
}

function expire(previous: number, revision: number, key = "k"): ExpireOperation {
  return { kind: "expire", key, previous, result: { revision } };
}

const legal: Record<string, History<StoreOperation>> = {
  "a put on the revision that was read": [
    at(0, 1, put("a", 1)),
    at(2, 3, putIf(revision(1), "b", done(2))),
    at(4, 5, get("b", 2)),
  ],
  "a refusal that tells the revision": [
    at(0, 1, put("a", 4)),
    at(2, 3, putIf(revision(1), "b", refused(4))),
    at(4, 5, putIf(absent, "b", refused(4))),
    at(6, 7, remove(5)),
    at(8, 9, putIf(present, "b", refused(0))),
    at(10, 11, putIf(revision(4), "b", refused(0))),
    at(12, 13, putIf(absent, "c", done(8))),
    at(14, 15, putIf(revision(0), "d", refused(8))),
  ],
  "of two concurrent puts on one revision, one": [
    at(0, 1, put("a", 1)),
    at(2, 9, putIf(revision(1), "b", refused(2))),
    at(2, 9, putIf(revision(1), "c", done(2))),
  ],
  "a conditional put of unknown outcome whose condition never held": [
    at(0, 1, put("a", 1)),
    since(2, putIf(absent, "b")),
    at(3, 4, get("a", 1)),
  ],
  "a conditional put of unknown outcome that shows by the refusal of another": [
    since(0, putIf(absent, "a")),
    at(1, 2, putIf(absent, "b", refused(7))),
    at(3, 4, get("a", 7)),
  ],
  "a refusal that tells the revision of a write of unknown outcome": [
    at(0, 1, put("a", 1)),
    since(2, put("b")),
    at(3, 4, putIf(revision(1), "c", refused(6))),
    at(5, 6, get("b", 6)),
  ],
  "a batch takes effect on all its keys at once": [
    at(0, 1, on("l", put("a", 1))),
    at(2, 3, batch({ k: "b", l: undefined }, done(2))),
    at(4, 5, get("b", 2)),
    at(4, 5, on("l", getNothing)),
  ],
  "a batch under conditions of other keys": [
    at(0, 1, on("l", put("a", 1))),
    at(2, 3, batch({ k: "b" }, done(2), { l: revision(1), m: absent })),
    at(4, 5, batch({ k: "c" }, refused(1, "l"), { m: absent, l: absent })),
    at(6, 7, get("b", 2)),
  ],
  "a batch of unknown outcome shows on both keys, late": [
    since(0, batch({ k: "a", l: "a" })),
    at(1, 2, getNothing),
    at(3, 4, get("a", 5)),
    at(5, 6, on("l", get("a", 5))),
  ],
  "a batch that only deletes, where nothing is": [
    at(0, 1, put("a", 3)),
    at(2, 3, batch({ l: undefined }, done(3))),
    at(4, 5, get("a", 3)),
  ],
  "scans before, within and after a batch": [
    at(0, 1, batch({ k: "a", l: "a" }, done(1))),
    at(2, 9, batch({ k: "b", l: "b" }, done(2))),
    at(3, 4, scan({ k: ["a", 1], l: ["a", 1] })),
    at(5, 6, scan({ k: ["b", 2], l: ["b", 2] })),
    at(10, 11, batch({ k: undefined, l: "c" }, done(3))),
    at(12, 13, scan({ l: ["c", 3] })),
  ],
  "a scan that shows several writes of unknown outcome": [
    since(0, put("a")),
    since(0, on("l", put("b"))),
    at(1, 2, scan({ k: ["a", 2], l: ["b", 1] })),
    since(3, remove()),
    at(4, 5, scan({ l: ["b", 1] })),
  ],
  "a key that expires is not there until it is put again": [
    at(0, 1, put("a", 1)),
    at(5, 6, expire(1, 2)),
    at(7, 8, getNothing),
    at(9, 10, putIf(absent, "b", done(3))),
    at(11, 12, get("b", 3)),
  ],
  "a key that expires while it is read": [
    at(0, 1, put("a", 1)),
    at(5, 9, expire(1, 2)),
    at(5, 9, get("a", 1)),
    at(5, 9, getNothing),
  ],
  "a value of unknown revision expires": [since(0, put("a")), at(5, 6, expire(3, 4)), at(7, 8, getNothing)],
  "one request over several attempts is one write": [at(0, 50, put("a", 2)), at(20, 21, get("a", 2))],
};

const illegal: Record<string, History<StoreOperation>> = {
  "a put on a revision that is not the key's": [
    at(0, 1, put("a", 1)),
    at(2, 3, put("b", 2)),
    at(4, 5, putIf(revision(1), "c", done(3))),
  ],
  "two puts on one revision": [
    at(0, 1, put("a", 1)),
    at(2, 9, putIf(revision(1), "b", done(2))),
    at(2, 9, putIf(revision(1), "c", done(3))),
  ],
  "two puts of an absent key": [at(0, 9, putIf(absent, "a", done(1))), at(0, 9, putIf(absent, "b", done(2)))],
  "a refusal though the condition held": [
    at(0, 1, put("a", 1)),
    at(2, 3, putIf(revision(1), "b", refused(1))),
  ],
  "a refusal with a revision that the key does not have": [
    at(0, 1, put("a", 1)),
    at(2, 3, putIf(absent, "b", refused(2))),
  ],
  "a refusal by what was never committed": [
    at(0, 1, put("a", 1)),
    at(2, 3, putIf(revision(1), "b", refused(2))),
    at(4, 5, get("a", 1)),
  ],
  "a stale refusal": [at(0, 1, put("a", 1)), at(2, 3, remove(2)), at(4, 5, putIf(absent, "b", refused(1)))],
  "a refusal of a write that took effect": [
    at(0, 1, put("a", 1)),
    at(2, 3, putIf(absent, "b", refused(1))),
    at(4, 5, get("b", 2)),
  ],
  "a refusal for a key that was not compared": [at(0, 1, putIf(absent, "a", refused(1, "l")))],
  "half a batch": [
    at(0, 1, batch({ k: "a", l: "a" }, done(1))),
    at(2, 3, get("a", 1)),
    at(2, 3, on("l", getNothing)),
  ],
  "half a batch of unknown outcome": [
    since(0, batch({ k: "a", l: "a" })),
    at(1, 2, get("a", 1)),
    at(3, 4, on("l", getNothing)),
  ],
  "a batch whose halves show one after the other": [
    at(0, 9, batch({ k: "a", l: "a" }, done(1))),
    at(1, 2, get("a", 1)),
    at(3, 4, on("l", getNothing)),
  ],
  "a batch though a condition of another key did not hold": [
    at(0, 1, on("l", put("a", 1))),
    at(2, 3, batch({ k: "b" }, done(2), { l: absent })),
  ],
  "a scan of two moments": [
    at(0, 1, batch({ k: "a", l: "a" }, done(1))),
    at(2, 9, batch({ k: "b", l: "b" }, done(2))),
    at(2, 9, scan({ k: ["a", 1], l: ["b", 2] })),
  ],
  "a scan of two moments, between which were two writes": [
    at(0, 1, put("a", 1)),
    at(2, 3, on("l", put("a", 2))),
    at(4, 9, scan({ k: ["b", 5], l: ["a", 2] })),
    at(5, 6, on("l", put("b", 4))),
    at(7, 8, put("b", 5)),
  ],
  "a stale scan": [at(0, 1, put("a", 1)), at(2, 3, put("b", 2)), at(4, 5, scan({ k: ["a", 1] }))],
  "a scan that leaves a key out": [at(0, 1, put("a", 1)), at(2, 3, scan({}))],
  "a read after the end of a key": [at(0, 1, put("a", 1)), at(5, 6, expire(1, 2)), at(7, 8, get("a", 1))],
  "a key that vanishes before it ends": [at(0, 1, put("a", 1)), at(2, 3, getNothing), at(5, 6, expire(1, 2))],
  "a key that vanishes and does not end": [at(0, 1, put("a", 1)), at(2, 3, getNothing)],
  "the end of a value that was replaced": [
    at(0, 1, put("a", 1)),
    at(2, 3, put("b", 2)),
    at(5, 6, expire(1, 3)),
  ],
  "one request over several attempts that takes effect twice": [
    at(0, 50, put("a", 1)),
    at(10, 11, get("a", 1)),
    at(20, 21, put("b", 2)),
    at(60, 61, get("a", 3)),
  ],
};

describe("the store model allows", () => {
  for (const [title, history] of Object.entries(legal)) {
    it(title, () => assert.equal(checkLinearizability(storeModel, history).verdict, "linearizable"));
  }
});

describe("the store model forbids", () => {
  for (const [title, history] of Object.entries(illegal)) {
    it(title, () => {
      const verdict = checkLinearizability(storeModel, history);
      assert.ok(verdict.verdict === "violation");
      assert.ok(describeViolation(storeModel, verdict.violation).length > 5);
    });
  }
});
