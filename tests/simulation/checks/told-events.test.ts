// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KvEvent } from "kvlab";
import { groupOf, put } from "./by-hand.ts";
import { ToldEvents } from "./told-events.ts";

type Logs = ReturnType<ConstructorParameters<typeof ToldEvents>[0]["logsOf"]>;

describe("the check of what a watch tells over a recovery", () => {
  const [before, after] = [
    groupOf([put("k", "a")], [put("k", "b", 1)], [put("k", "c", 2)]),
    groupOf([put("k", "a")]),
  ] as const;
  after.committed.push({ epoch: 2, seq: 2, changes: [] }, { epoch: 2, seq: 3, changes: [put("k", "d", 1)] });

  function event(value: string, revision: number): KvEvent {
    return {
      type: "put",
      key: "k",
      value,
      text: () => value,
      revision,
      previous: undefined,
      token: "",
    };
  }

  function watchAfter(revision: bigint, epoch = 1n, logs: Logs = [before, after]): ToldEvents {
    const told = new ToldEvents({
      scope: { kind: "all" },
      previous: false,
      logsOf: () => logs,
      groupOf: () => "g",
    });
    told.begin({
      cluster: "",
      ring: { version: 0n, change: 0n },
      groups: new Map([["g", { revision, epoch }]]),
    });
    return told;
  }

  it("takes all of one history, and then what goes on from there in the next", () => {
    const told = watchAfter(0n);
    assert.equal(told.take(event("a", 1)), undefined);
    assert.equal(told.isCurrent(["g"]), false);
    assert.equal(told.take(event("d", 3)), undefined);
    assert.equal(told.isCurrent(["g"]), true);
  });

  it("takes what goes on in a later history, over one in between that lacked it", () => {
    const told = watchAfter(0n, 1n, [before, groupOf(), after]);
    assert.equal(told.take(event("a", 1)), undefined);
    assert.equal(told.take(event("d", 3)), undefined);
    assert.equal(told.isCurrent(["g"]), true);
  });

  it("finds a watch that goes on after what was given up", () => {
    const told = watchAfter(0n);
    for (const [revision, value] of ["a", "b"].entries()) told.take(event(value, revision + 1));
    assert.match(told.take(event("d", 3)) ?? "", /put k of revision 3 in place of put k/);
    assert.equal(told.isCurrent(["g"]), false);
  });

  it("takes a write that both have at the same place for that of either", () => {
    const [one, other] = [groupOf([put("k", "a")], [put("k", "b", 1)], [put("k", "c", 2)]), groupOf()];
    other.committed.push({ epoch: 2, seq: 1, changes: [] }, { epoch: 2, seq: 2, changes: [put("k", "b")] });
    other.committed.push({ epoch: 2, seq: 3, changes: [put("k", "d", 2)] });
    for (const value of ["c", "d"]) {
      const told = watchAfter(0n, 0n, [one, other]);
      for (const [revision, each] of ["b", value].entries()) {
        if (value === "c" && revision === 0) told.take(event("a", 1));
        assert.equal(told.take(event(each, revision + 2)), undefined);
      }
    }
  });

  it("takes a place for that of the history that it names", () => {
    assert.match(watchAfter(2n).take(event("d", 3)) ?? "", /in place of/);
    assert.equal(watchAfter(2n, 2n).take(event("d", 3)), undefined);
  });
});
