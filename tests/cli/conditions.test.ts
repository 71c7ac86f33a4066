import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type EmbeddedCluster, startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { runKvlab } from "./run-kvlab.ts";

const timeout = 60_000;

let cluster: EmbeddedCluster;

before(
  async () => {
    cluster = await startEmbeddedCluster();
  },
  { timeout },
);

after(() => cluster.close());

function kvlab(args: readonly string[], stdin = "") {
  return runKvlab([...args, "--router", cluster.routers.map(({ address }) => address).join()], { stdin });
}

async function json(args: readonly string[], stdin = "") {
  const { exitCode, stdout, stderr } = await kvlab([...args, "--json"], stdin);
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout);
}

describe("conditions of kvlab put and delete", () => {
  it("let a write through if they hold, and else end with 4 and the present revision", {
    timeout,
  }, async () => {
    const { revision } = await json(["put", "c", "1", "--if-absent"]);
    const { exitCode, stderr } = await kvlab(["put", "c", "2", "--if-absent"]);
    assert.deepEqual(
      { exitCode, stderr },
      { exitCode: 4, stderr: `kvlab: put "c": refused (key "c" has revision ${revision})\n` },
    );
    const second = await json(["put", "c", "2", "--if-revision", String(revision)]);
    assert.ok(second.revision > revision);
    assert.equal((await kvlab(["delete", "c", "--if-revision", String(revision)])).exitCode, 4);
    assert.equal((await kvlab(["delete", "c", "--if-present", "--direct"])).exitCode, 0);
    assert.equal((await kvlab(["delete", "c", "--if-present"])).exitCode, 4);
    assert.equal((await kvlab(["put", "c", "3", "--if-present"])).exitCode, 4);
    assert.equal((await kvlab(["delete", "c"])).exitCode, 1);
  });
});

describe("kvlab put --ttl", () => {
  it("lets a key expire, and get --json shows the time left", { timeout }, async () => {
    await json(["put", "t", "1", "--ttl", "2h"]);
    const { ttlLeftMs } = await json(["get", "t"]);
    assert.ok(ttlLeftMs > 0 && ttlLeftMs <= 7_200_000, `${ttlLeftMs} ms are left`);
    await json(["put", "t", "2"]);
    assert.equal((await json(["get", "t"])).ttlLeftMs, undefined);
  });
});

describe("kvlab batch", () => {
  it("does everything in one step, or does nothing and ends with 4", { timeout }, async () => {
    const { revision } = await json(["put", "{b}:a", "1"]);
    const lines = [
      JSON.stringify({ compare: "{b}:a", ifRevision: revision }),
      "",
      JSON.stringify({ put: "{b}:b", base64: "/wA=", ttlMs: 60_000, ifAbsent: true }),
      JSON.stringify({ delete: "{b}:a", ifPresent: true }),
    ].join("\n");
    const done = await json(["batch"], lines);
    assert.equal(done.steps, 3);
    const { base64, revision: written } = await json(["get", "{b}:b"]);
    assert.deepEqual({ base64, written }, { base64: "/wA=", written: done.revision });
    assert.equal((await kvlab(["get", "{b}:a"])).exitCode, 1);
    const again = await kvlab(["batch", "-"], lines);
    assert.equal(again.exitCode, 4);
    assert.match(again.stderr, /^kvlab: batch of 3: refused \(key "\{b\}:[ab]" [^\n]*\)\n$/);
  });

  it("names a line that it does not understand, and does nothing", { timeout }, async () => {
    const good = '{"put":"{b}:never","text":"1"}\n';
    const bad: readonly [string, string][] = [
      ['{"put":"{b}:x","text":', "it is not JSON ("],
      ['"put"', 'it is "put"; allowed: an object'],
      ['{"put":"{b}:x"}', "there is no value; allowed: text or base64"],
      ['{"put":"{b}:x","base64":"1"}', 'base64 is "1"; allowed: base64 with its padding'],
      ['{"put":"{b}:x","text":"1","ttl":5}', '"ttl" is not a known field; allowed: compare, put, '],
      [
        '{"put":"{b}:x","delete":"{b}:y"}',
        "put and delete are given; allowed: one of compare, put and delete",
      ],
      [
        '{"compare":"{b}:x"}',
        "the compare has no condition; allowed: one of ifRevision, ifPresent, ifAbsent",
      ],
      [
        '{"delete":"{b}:x","ifRevision":"7"}',
        'ifRevision is "7"; allowed: a revision, a whole number above 0',
      ],
    ];
    for (const [line, reason] of bad) {
      const { exitCode, stderr } = await kvlab(["batch"], `${good}\n${line}\n${good}`);
      assert.equal(exitCode, 2);
      const expected = `kvlab: batch: line 3 of standard input: ${reason}`;
      assert.equal(stderr.slice(0, expected.length), expected);
    }
    assert.equal((await kvlab(["get", "{b}:never"])).exitCode, 1);
    const many = await kvlab(["batch"], good.repeat(1_001));
    assert.deepEqual(
      [many.exitCode, many.stderr],
      [2, "kvlab: batch: line 1001 of standard input: a batch has at most 1000 steps\n"],
    );
  });
});
