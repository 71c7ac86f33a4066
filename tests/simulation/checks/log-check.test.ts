// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at } from "../../checker/hand-written.ts";
import type { History } from "../../checker/history.ts";
import type { StoreOperation } from "../../checker/store-model.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { withLog } from "../clients/learnt.ts";
import { end, groupOf, named, put } from "./by-hand.ts";
import type { GroupFacts } from "./group-facts.ts";
import { Invariants } from "./invariants.ts";
import { problemWithLog } from "./log-check.ts";
import { ShadowLog } from "./shadow-log.ts";

const problemWith = (group: GroupFacts, history: History<StoreOperation> = []) =>
  problemWithLog(group, withLog(history, [group.era]));

describe("the check of a log", () => {
  it("takes a log in which each record continues from those before", () => {
    const log = groupOf([], [put("k", "a"), put("l", "b")], [end("expire", "k", 2)], [put("k", "c")]);
    assert.equal(problemWith(log), undefined);
  });

  it("finds a request that was carried out twice", () => {
    const log = named(named(groupOf([put("k", "a")], [put("k", "a", 1)]), 1, "r"), 2, "r");
    assert.match(problemWith(log) ?? "", /request r was carried out twice/);
  });

  it("finds a change that replaces another value than the last, and the end of what is not there", () => {
    assert.match(problemWith(groupOf([put("k", "a")], [put("k", "b")])) ?? "", /replaces revision 0/);
    assert.match(problemWith(groupOf([end("expire", "k", 0)])) ?? "", /does not exist/);
  });

  it("finds a batch that was acknowledged and is there in part, or with something else", () => {
    const operation: StoreOperation = {
      kind: "batch",
      compares: [],
      writes: [
        { kind: "put", key: "k", value: "a" },
        { kind: "put", key: "l", value: "b" },
      ],
      result: { revision: 1 },
    };
    const history = [at(0, 9, operation)];
    assert.equal(problemWith(groupOf([put("k", "a"), put("l", "b")]), history), undefined);
    assert.match(problemWith(groupOf([put("k", "a")]), history) ?? "", /nothing for l/);
    assert.match(problemWith(groupOf([put("k", "a"), put("l", "b"), put("m", "c")]), history) ?? "", /put m/);
  });

  it("finds a scan that shows another state than that of its revision", () => {
    const log = groupOf([put("k", "a"), put("l", "b")], [put("k", "c", 1)]);
    const scan = (at: number, value: string, revision: number): StoreOperation => ({
      kind: "scan",
      keys: ["k", "l"],
      result: {
        at,
        found: [
          { key: "k", value, revision },
          { key: "l", value: "b", revision: 1 },
        ],
      },
    });
    assert.equal(problemWith(log, [at(0, 9, scan(2, "c", 2)), at(0, 9, scan(1, "a", 1))]), undefined);
    assert.match(problemWith(log, [at(0, 9, scan(1, "c", 2))]) ?? "", /scan at revision 1/);
  });
});

describe("the check of what goes from a log", () => {
  const first = { epoch: 1, seq: 1, changes: [] };
  const asked = { epoch: 1, seq: 2, changes: [put("k", "a")], requestId: "r" };

  /**
   * Node 2 has followed epoch 1, or also 2, and has a record of epoch 1 that the primary of epoch 2, node 1, has
   * committed; these are in sync by then.
   */
  async function lateCommit({ followed, inSync }: { followed: number; inSync: readonly number[] }) {
    const invariants = new Invariants({ leaseMs: 1, minSync: 1 }, () => 0);
    const [one, two] = await Promise.all(
      [1, 2].map(async (number) => {
        const store = await openOn(new SimulatedDisk());
        await store.adopt({ cluster: "c1", group: "g", number });
        const replica = new ShadowLog(`n${number}`, "g");
        invariants.group("g").replicas.add(replica);
        invariants.opened(replica, store);
        await store.append([first, asked]);
        replica.append([first, asked]);
        return { replica, store };
      }),
    );
    assert.ok(one !== undefined && two !== undefined);
    const member = (number: number) => ({ number, incarnation: "a" });
    const state = { epoch: 2, primary: member(1), inSync: inSync.map(member) };
    await one.store.promise(2);
    await two.store.promise(followed);
    invariants.stateChanged("g", state, "n1", { replica: 1 });
    invariants.committing(one.replica, 2);
    assert.equal(invariants.violation, undefined);
    return { invariants, replica: two.replica };
  }

  const cases = [
    {
      what: "takes an end that a later epoch has committed without it",
      followed: 1,
      inSync: [1],
      problem: false,
    },
    { what: "finds what a member of the in-sync set had", followed: 1, inSync: [1, 2], problem: true },
    {
      what: "finds what was committed in the epoch that it has followed",
      followed: 2,
      inSync: [1],
      problem: true,
    },
  ];
  for (const { what, followed, inSync, problem } of cases) {
    it(`${what}, if it is cut off`, async () => {
      const { invariants, replica } = await lateCommit({ followed, inSync });
      invariants.cutting(replica, 1);
      assert.match(
        invariants.violation ?? "",
        problem ? /n2 cuts off 1\.2 \(put k\), which is committed/ : /^$/,
      );
    });

    it(`${what}, if a copy lacks it or has another`, async () => {
      for (const [changes, told] of [
        [[put("l", "b")], /copy for n2 has/],
        [[], /copy for n2 lacks 1\.2/],
      ] as const) {
        const { invariants, replica } = await lateCommit({ followed, inSync });
        invariants.replacing(replica, 2, [{ epoch: 1, seq: 2, changes }]);
        assert.match(invariants.violation ?? "", problem ? told : /^$/);
      }
    });
  }

  it("finds what its own epoch has committed, though a later one has seen it first", async () => {
    const { invariants, replica } = await lateCommit({ followed: 1, inSync: [1] });
    invariants.committing(replica, 2);
    invariants.cutting(replica, 1);
    assert.match(invariants.violation ?? "", /cuts off/);
  });
});
