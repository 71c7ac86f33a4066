// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at, get, getNothing, on, put, remove, removeNothing, since } from "./hand-written.ts";
import type { Call, History } from "./history.ts";
import { type KeyOperation, keyValueModel } from "./key-value-model.ts";
import { checkLinearizability } from "./linearizability.ts";

const legal: Record<string, History<KeyOperation>> = {
  "nothing happened": [],
  "a key is not found before its first write": [at(0, 1, getNothing), at(2, 3, removeNothing)],
  "reads see the last write": [
    at(0, 1, put("a", 1)),
    at(2, 3, get("a", 1)),
    at(4, 5, put("b", 2)),
    at(6, 7, get("b", 2)),
  ],
  "revisions may skip, since other keys use them too": [at(0, 1, put("a", 5)), at(2, 3, put("b", 90))],
  "a read during a write sees the value before it or after it": [
    at(0, 1, put("a", 1)),
    at(2, 9, put("b", 2)),
    at(3, 4, get("a", 1)),
    at(5, 6, get("b", 2)),
  ],
  "concurrent writes take effect in any order": [
    at(0, 9, put("a", 2)),
    at(1, 8, put("b", 1)),
    at(10, 11, get("a", 2)),
  ],
  "the same value twice": [
    at(0, 1, put("a", 1)),
    at(2, 3, put("a", 2)),
    at(4, 5, get("a", 2)),
    at(6, 7, put("b", 3)),
    at(8, 9, put("a", 4)),
    at(10, 11, get("a", 4)),
  ],
  "the empty value is a value": [at(0, 1, put("", 1)), at(2, 3, get("", 1)), at(4, 5, remove(2))],
  "a deleted key is not found until it is written again": [
    at(0, 1, put("a", 1)),
    at(2, 3, remove(2)),
    at(4, 5, getNothing),
    at(6, 7, removeNothing),
    at(8, 9, put("a", 3)),
    at(10, 11, get("a", 3)),
  ],
  "of two concurrent deletes one finds the key": [
    at(0, 1, put("a", 1)),
    at(2, 9, remove(2)),
    at(3, 8, removeNothing),
    at(10, 11, getNothing),
  ],
  "of two concurrent deletes both find a key that is written between them": [
    at(0, 1, put("a", 1)),
    at(2, 9, remove(2)),
    at(2, 9, remove(4)),
    at(2, 9, put("b", 3)),
    at(10, 11, getNothing),
  ],
  "everything at once": [
    at(0, 9, get("c", 4)),
    at(0, 9, remove(3)),
    at(0, 9, getNothing),
    at(0, 9, put("a", 1)),
    at(0, 9, put("c", 4)),
    at(0, 9, get("b", 2)),
    at(0, 9, removeNothing),
    at(0, 9, put("b", 2)),
    at(0, 9, get("a", 1)),
  ],
  "calls that meet in one instant may take effect in either order": [
    at(0, 1, put("a", 1)),
    at(1, 1, getNothing),
    at(1, 2, get("a", 1)),
  ],
  "a write of unknown outcome never shows": [
    at(0, 1, put("a", 1)),
    since(2, put("b")),
    at(3, 4, get("a", 1)),
  ],
  "a write of unknown outcome shows late": [
    since(0, put("b")),
    at(1, 2, put("a", 1)),
    at(3, 4, get("a", 1)),
    at(5, 6, get("b", 2)),
    at(7, 8, get("b", 2)),
  ],
  "a write of unknown outcome shows only in that a key is there to be deleted": [
    at(0, 1, put("a", 1)),
    at(2, 3, remove(2)),
    since(4, put("b")),
    at(5, 6, remove(4)),
  ],
  "of two writes of unknown outcome one is there to be deleted and the first shows": [
    since(0, put("a")),
    since(0, put("b")),
    at(1, 2, remove(2)),
    at(3, 4, get("a", 3)),
  ],
  "of two writes of unknown outcome one is there to be deleted and the second shows": [
    since(0, put("a")),
    since(0, put("b")),
    at(1, 2, remove(2)),
    at(3, 4, get("b", 3)),
  ],
  "a delete of unknown outcome shows": [at(0, 1, put("a", 1)), since(2, remove()), at(3, 4, getNothing)],
  "a delete that is over without telling what it found": [
    at(0, 9, remove()),
    at(0, 9, put("a", 1)),
    at(10, 11, getNothing),
  ],
  "a delete of unknown outcome finds nothing": [
    since(0, remove()),
    at(1, 2, getNothing),
    at(3, 4, put("a", 1)),
  ],
  "writes of unknown outcome show one after the other, around one that is known": [
    since(0, put("a")),
    since(0, put("b")),
    at(1, 2, get("b", 4)),
    at(3, 4, put("c", 6)),
    at(5, 6, get("a", 7)),
  ],
  "the same write twice, both of unknown outcome, shows twice": [
    since(0, put("a")),
    since(0, put("a")),
    at(1, 2, get("a", 1)),
    at(3, 4, put("b", 2)),
    at(5, 6, get("a", 3)),
  ],
  "keys have nothing to do with each other": [
    at(0, 1, put("a", 7)),
    at(2, 3, on("other", put("b", 3))),
    at(4, 5, on("third", getNothing)),
    at(6, 7, get("a", 7)),
  ],
};

const illegal: Record<string, History<KeyOperation>> = {
  "a stale read": [at(0, 1, put("a", 1)), at(2, 3, put("b", 2)), at(4, 5, get("a", 1))],
  "a read that goes back while a write is under way": [
    at(0, 1, put("a", 1)),
    at(2, 9, put("b", 2)),
    at(3, 4, get("b", 2)),
    at(5, 6, get("a", 1)),
  ],
  "a lost write: not found": [at(0, 1, put("a", 1)), at(2, 3, getNothing)],
  "a lost write: another takes its revision": [at(0, 1, put("a", 1)), at(2, 3, put("b", 1))],
  "a lost write: its revision stands for another value": [
    at(0, 1, put("a", 1)),
    since(0, put("b")),
    at(2, 3, get("b", 1)),
  ],
  "a lost delete": [at(0, 1, put("a", 1)), at(2, 3, remove(2)), at(4, 5, get("a", 1))],
  "a value that nobody wrote": [at(0, 1, put("a", 1)), at(2, 3, get("b", 1))],
  "a value under a revision that nobody wrote": [at(0, 1, put("a", 1)), at(2, 3, get("a", 2))],
  "a read before its write was sent": [at(0, 1, get("a", 1)), at(2, 3, put("a", 1))],
  "a read before its write of unknown outcome was sent": [at(0, 1, get("a", 1)), since(2, put("a"))],
  "a revision that goes back": [at(0, 1, put("a", 2)), at(2, 3, put("b", 1))],
  "a revision that goes back over a delete": [
    at(0, 1, put("a", 1)),
    at(2, 3, remove(5)),
    at(4, 5, put("b", 4)),
  ],
  "concurrent writes with the same revision": [at(0, 9, put("a", 1)), at(0, 9, put("b", 1))],
  "a delete with the revision of the write": [at(0, 1, put("a", 1)), at(2, 3, remove(1))],
  "revision 0": [at(0, 1, put("a", 0))],
  "a delete that finds a key which is not there": [at(0, 1, remove(1))],
  "a delete that does not find a key which is there": [at(0, 1, put("a", 1)), at(2, 3, removeNothing)],
  "two concurrent deletes that both find the one write": [
    at(0, 1, put("a", 1)),
    at(2, 9, remove(2)),
    at(2, 9, remove(3)),
  ],
  "a key that is deleted, seen, and was not written again": [
    at(0, 1, put("a", 1)),
    at(2, 9, remove(2)),
    at(3, 4, getNothing),
    at(5, 6, get("a", 1)),
  ],
  "a write of unknown outcome that shows and vanishes": [
    at(0, 1, put("a", 1)),
    since(2, put("b")),
    at(3, 4, get("b", 2)),
    at(5, 6, get("a", 1)),
  ],
  "a write of unknown outcome that takes effect twice": [
    since(0, put("a")),
    at(1, 2, get("a", 1)),
    at(3, 4, put("b", 2)),
    at(5, 6, get("a", 3)),
  ],
  "a write of unknown outcome with no revision left for it": [
    since(0, put("a")),
    at(0, 1, put("b", 1)),
    at(2, 9, put("c", 2)),
    at(3, 4, get("a", 2)),
  ],
  "a write of unknown outcome that shows under two revisions": [
    since(0, put("a")),
    at(1, 2, get("a", 1)),
    at(3, 4, get("a", 2)),
  ],
  "a delete of unknown outcome that takes effect twice": [
    since(0, remove()),
    at(1, 2, put("a", 1)),
    at(3, 4, getNothing),
    at(5, 6, put("b", 3)),
    at(7, 8, getNothing),
  ],
  "two reads that see two concurrent writes in different orders": [
    at(0, 99, put("a", 1)),
    at(0, 99, put("b", 2)),
    at(1, 2, get("b", 2)),
    at(3, 4, get("a", 1)),
  ],
  "one bad key among good ones": [
    at(0, 1, on("good", put("a", 1))),
    at(0, 1, put("a", 1)),
    at(2, 3, on("good", get("a", 1))),
    at(2, 3, getNothing),
  ],
};

describe("the key-value model allows", () => {
  for (const [title, history] of Object.entries(legal)) {
    it(title, () => {
      assert.equal(checkLinearizability(keyValueModel, history).verdict, "linearizable");
    });
  }
});

describe("the key-value model forbids", () => {
  for (const [title, history] of Object.entries(illegal)) {
    it(title, () => {
      assert.equal(checkLinearizability(keyValueModel, history).verdict, "violation");
    });
  }
});

describe("checkLinearizability", () => {
  const clients = 10;

  /** Clients that write without a pause, each round all at the same time and in the reverse order of being called. */
  function writes(rounds: number): Call<KeyOperation>[] {
    return Array.from({ length: rounds * clients }, (_, index) => {
      const [round, client] = [Math.floor(index / clients), index % clients];
      const called = round * 100 + client;
      return { ...at(called, called + 99, put(`v${index}`, 2 * ((round + 1) * clients - client))), client };
    });
  }

  it("takes a few steps a call, however many are concurrent or of unknown outcome", {
    timeout: 60_000,
  }, () => {
    const known = writes(1000);
    const unknown = known.map(({ called }, index) => since(called, index % 2 === 0 ? put("x") : remove()));
    const reads = known
      .map(({ called }) => at(called + 99, called + 100, getNothing))
      .filter((_, i) => i % 100 === 0);
    const history = [...known, ...unknown, ...reads];
    const { verdict } = checkLinearizability(keyValueModel, history, 5 * history.length);
    assert.equal(verdict, "linearizable");
  });

  it("gives up at its limit, and names the keys", () => {
    const { rank, ...withoutRank } = keyValueModel;
    const history = [...writes(1), at(500, 501, getNothing), at(0, 1, on("other", getNothing))];
    assert.deepEqual(checkLinearizability(withoutRank, history, 100), { verdict: "undecided", parts: ["k"] });
    assert.equal(checkLinearizability(withoutRank, history).verdict, "violation");
  });

  it("finds a violation on one key though another is undecided", () => {
    const { rank, ...withoutRank } = keyValueModel;
    const history = [...writes(1), at(500, 501, getNothing), at(0, 1, on("other", get("a", 1)))];
    assert.equal(checkLinearizability(withoutRank, history, 100).verdict, "violation");
  });

  it("shows the calls that are in conflict, out of many", () => {
    const stale = at(50_000, 50_001, get("v40", 100));
    const history = [...writes(200), stale];
    const verdict = checkLinearizability(keyValueModel, history);
    assert.ok(verdict.verdict === "violation");
    const { conflict, before, parts } = verdict.violation;
    assert.deepEqual(parts, ["k"]);
    assert.equal(conflict.length, 2);
    assert.equal(conflict[1], stale);
    assert.equal(before?.order.length, 2000);
  });

  it("refuses a call that returned before it was sent", () => {
    assert.throws(
      () => checkLinearizability(keyValueModel, [at(2, 1, getNothing)]),
      /returned at 1 before.* at 2/,
    );
  });
});
