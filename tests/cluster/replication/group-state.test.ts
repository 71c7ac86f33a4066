import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GroupState, Member } from "../../../src/cluster/metadata/model.ts";
import { apply, isCurrent, refusal, type Transition } from "../../../src/cluster/replication/group-state.ts";
import { InvariantError } from "../../../src/common/invariant.ts";

function node(number: number, incarnation = `${number}0`): Member {
  return { number, incarnation };
}

/** Nodes 1, 2 and 3 are in sync; node 1 is the primary of epoch 7. */
const state: GroupState = { epoch: 7, primary: node(1), inSync: [node(1), node(2), node(3)] };
const by = { epoch: 7, primary: 1 };

const legal: { what: string; before?: GroupState; transition: Transition; after: GroupState }[] = [
  {
    what: "form: the first replica is alone in sync, without a primary",
    transition: { kind: "form", first: node(1), after: 0 },
    after: { epoch: 0, primary: undefined, inSync: [node(1)] },
  },
  {
    what: "rejoin: the new life takes the place of the earlier one",
    before: state,
    transition: { kind: "rejoin", self: node(2, "25") },
    after: { ...state, inSync: [node(1), node(2, "25"), node(3)] },
  },
  {
    what: "rejoin: a primary in a new life is one no longer",
    before: state,
    transition: { kind: "rejoin", self: node(1, "15") },
    after: { epoch: 7, primary: undefined, inSync: [node(1, "15"), node(2), node(3)] },
  },
  {
    what: "leave: a replica in doubt is out of the set",
    before: state,
    transition: { kind: "leave", number: 3 },
    after: { ...state, inSync: [node(1), node(2)] },
  },
  {
    what: "leave: a primary in doubt is one no longer",
    before: state,
    transition: { kind: "leave", number: 1 },
    after: { epoch: 7, primary: undefined, inSync: [node(2), node(3)] },
  },
  {
    what: "expand: a standby is added in its place by number",
    before: { ...state, inSync: [node(1), node(3)] },
    transition: { kind: "expand", by, joining: node(2) },
    after: state,
  },
  {
    what: "shrink: all that leave are out of the set at once",
    before: state,
    transition: { kind: "shrink", by, leaving: [node(2), node(3)] },
    after: { ...state, inSync: [node(1)] },
  },
  {
    what: "transfer: the successor begins an epoch, and nobody leaves",
    before: state,
    transition: { kind: "transfer", by, to: node(3) },
    after: { ...state, epoch: 8, primary: node(3) },
  },
  {
    what: "promote: a member begins an epoch, and nobody leaves",
    before: { ...state, primary: undefined },
    transition: { kind: "promote", to: node(1) },
    after: { ...state, epoch: 8 },
  },
  {
    what: "replace-silent: a member begins an epoch, and the silent primary stays in the set",
    before: state,
    transition: { kind: "replace-silent", epoch: 7, reporter: node(2), to: node(3) },
    after: { ...state, epoch: 8, primary: node(3) },
  },
  {
    what: "recover: a replica from outside is primary, alone in sync",
    before: state,
    transition: { kind: "recover", to: node(4) },
    after: { epoch: 8, primary: node(4), inSync: [node(4)] },
  },
];

const illegal: { what: string; before?: GroupState; transition: Transition; reason: RegExp }[] = [
  {
    what: "forms a group that has a state",
    before: state,
    transition: { kind: "form", first: node(1), after: 0 },
    reason: /has a state already/,
  },
  {
    what: "changes a group that has none",
    transition: { kind: "promote", to: node(1) },
    reason: /no state yet/,
  },
  {
    what: "rejoins a set that it was not in",
    before: state,
    transition: { kind: "rejoin", self: node(4) },
    reason: /node 4 is not in sync/,
  },
  {
    what: "rejoins in the life that is there",
    before: state,
    transition: { kind: "rejoin", self: node(2) },
    reason: /node 2 is in sync already in this life/,
  },
  {
    what: "leaves, being alone in the set",
    before: { ...state, inSync: [node(1)] },
    transition: { kind: "leave", number: 1 },
    reason: /node 1 is alone in sync/,
  },
  {
    what: "leaves a set that it is not in",
    before: state,
    transition: { kind: "leave", number: 4 },
    reason: /node 4 is not in sync/,
  },
  {
    what: "changes the set as a primary whose epoch is over",
    before: state,
    transition: { kind: "shrink", by: { epoch: 6, primary: 1 }, leaving: [node(2)] },
    reason: /node 1 is not the primary of epoch 6 any more/,
  },
  {
    what: "changes the set as a node that is not the primary",
    before: state,
    transition: { kind: "expand", by: { epoch: 7, primary: 2 }, joining: node(4) },
    reason: /node 2 is not the primary of epoch 7/,
  },
  {
    what: "adds a replica that is in the set by an earlier life",
    before: state,
    transition: { kind: "expand", by, joining: node(2, "25") },
    reason: /node 2 is in sync already/,
  },
  {
    what: "takes itself out as the primary",
    before: state,
    transition: { kind: "shrink", by, leaving: [node(1)] },
    reason: /primary cannot take itself out/,
  },
  {
    what: "takes out another life than the one in the set",
    before: state,
    transition: { kind: "shrink", by, leaving: [node(2, "25")] },
    reason: /node 2 is not in sync/,
  },
  {
    what: "takes out nobody",
    before: state,
    transition: { kind: "shrink", by, leaving: [] },
    reason: /nobody leaves/,
  },
  {
    what: "transfers to a node outside the set",
    before: state,
    transition: { kind: "transfer", by, to: node(4) },
    reason: /node 4 is not in sync/,
  },
  {
    what: "transfers to itself",
    before: state,
    transition: { kind: "transfer", by, to: node(1) },
    reason: /node 1 is the primary already/,
  },
  {
    what: "promotes another life than the one in the set",
    before: state,
    transition: { kind: "promote", to: node(2, "25") },
    reason: /node 2 is not in sync/,
  },
  {
    what: "replaces the primary of an epoch that is over",
    before: state,
    transition: { kind: "replace-silent", epoch: 6, reporter: node(2), to: node(2) },
    reason: /epoch 6 is over/,
  },
  {
    what: "replaces a primary on the word of a node outside the set",
    before: state,
    transition: { kind: "replace-silent", epoch: 7, reporter: node(4), to: node(2) },
    reason: /node 4, which reports the silence, is not in sync/,
  },
  {
    what: "replaces a primary on its own word",
    before: state,
    transition: { kind: "replace-silent", epoch: 7, reporter: node(1), to: node(2) },
    reason: /node 1 reports its own silence/,
  },
  {
    what: "gives up what a member of the set has",
    before: state,
    transition: { kind: "recover", to: node(2) },
    reason: /node 2 is in sync: nothing needs to be lost/,
  },
];

describe("a legal transition of a group's state", () => {
  for (const { what, before, transition, after } of legal) {
    it(what, () => {
      assert.equal(refusal(before, transition), undefined);
      assert.deepEqual(apply(before, transition), after);
    });
  }
});

describe("an illegal transition breaks an invariant: nobody", () => {
  for (const { what, before, transition, reason } of illegal) {
    it(what, () => {
      assert.match(refusal(before, transition) ?? "", reason);
      assert.throws(() => apply(before, transition), InvariantError);
    });
  }
});

it("a primary's term is over when the state names another primary or epoch", () => {
  assert.equal(isCurrent(by, state), true);
  assert.equal(isCurrent(by, { ...state, epoch: 8 }), false);
  assert.equal(isCurrent(by, { ...state, primary: node(2) }), false);
  assert.equal(isCurrent(by, { ...state, primary: undefined }), false);
});
