// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KvEvent } from "kvlab";
import type { Change } from "../../../src/cluster/storage/model.ts";
import { groupOf, put } from "./by-hand.ts";
import { RingFacts } from "./ring-facts.ts";
import { ToldMoves } from "./told-moves.ts";

describe("the check of what a watch tells over moves", () => {
  const changes: readonly [group: string, seq: number, revision: number, change: Change][] = [
    ["g", 1, 1, put("k", "a")],
    ["g", 2, 2, put("k", "b", 1)],
    ["h", 1, 3, put("k", "c")],
  ];

  /** A watch of a key that was written twice in g and then, after a move, in h. */
  function watchAfter(groups: Readonly<Record<string, bigint>>): ToldMoves {
    const ring = new RingFacts(["k"]);
    for (const [group, seq, revision, change] of changes) {
      ring.committed(group, { epoch: 1, seq, changes: [change] }, revision);
    }
    const logs = { g: groupOf([], []), h: groupOf([]) };
    logs.h.aheads.push({ firstSeq: 1, ahead: 2 });
    const told = new ToldMoves({
      scope: { kind: "all" },
      previous: false,
      keys: ["k"],
      ring,
      logOf: (group) => (group === "g" ? logs.g : logs.h),
    });
    told.begin(token(groups));
    return told;
  }

  function token(groups: Readonly<Record<string, bigint>>) {
    const places = Object.entries(groups).map(
      ([group, revision]) => [group, { revision, epoch: 1n }] as const,
    );
    return { cluster: "", ring: { version: -1n, change: 0n }, groups: new Map(places) };
  }

  function event(value: string, revision: number): KvEvent {
    return { type: "put", key: "k", value, text: () => value, revision, previous: undefined, token: "" };
  }

  it("takes each write once, in the order of the key's revisions", () => {
    const told = watchAfter({ g: 0n });
    for (const [index, value] of ["a", "b", "c"].entries())
      assert.equal(told.take(event(value, index + 1)), undefined);
    assert.equal(told.isCurrent(), true);
    assert.match(told.take(event("c", 3)) ?? "", /told before/);
  });

  it("finds what the next group tells before the former one has told everything", () => {
    const told = watchAfter({ g: 1n, h: 2n });
    assert.match(told.take(event("c", 3)) ?? "", /in place of put k of revision 2/);
  });

  it("finds a token that leaves something out, or tells it again", () => {
    const told = watchAfter({ g: 0n });
    told.take(event("a", 1));
    assert.equal(told.reached(token({ g: 1n })), undefined);
    assert.match(told.reached(token({ g: 2n })) ?? "", /without put k of revision 2/);
    told.take(event("b", 2));
    assert.match(told.reached(token({ g: 0n })) ?? "", /before put k of revision 1/);
  });
});
