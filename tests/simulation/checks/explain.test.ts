// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GroupState, Member } from "../../../src/cluster/metadata/model.ts";
import { apply, type Transition } from "../../../src/cluster/replication/group-state.ts";
import { type Author, explain } from "./explain.ts";

function node(number: number, incarnation = `${number}0`): Member {
  return { number, incarnation };
}

const state: GroupState = { epoch: 7, primary: node(1), inSync: [node(1), node(2)] };
const by = { epoch: 7, primary: 1 };

describe("a change of a group's state is explained", () => {
  const cases: { author: Author; transition: Transition; before?: GroupState }[] = [
    { author: { replica: 2 }, transition: { kind: "rejoin", self: node(2, "25") }, before: state },
    { author: { replica: 2 }, transition: { kind: "leave", number: 2 }, before: state },
    { author: { replica: 1 }, transition: { kind: "leave", number: 1 }, before: state },
    { author: { replica: 1 }, transition: { kind: "expand", by, joining: node(3) }, before: state },
    { author: { replica: 1 }, transition: { kind: "shrink", by, leaving: [node(2)] }, before: state },
    { author: { replica: 1 }, transition: { kind: "transfer", by, to: node(2) }, before: state },
    { author: "router", transition: { kind: "promote", to: node(2) }, before: state },
    { author: "router", transition: { kind: "recover", to: node(3) }, before: state },
    { author: { replica: 4 }, transition: { kind: "form", first: node(4), after: 0 } },
  ];
  for (const { author, transition, before } of cases) {
    const who = author === "router" ? "a router" : `node ${author.replica}`;
    it(`as "${transition.kind}" of ${who}`, () => {
      assert.deepEqual(explain(before, apply(before, transition), author), transition);
    });
  }
});

describe("no legal transition is found", () => {
  const cases: { what: string; after: GroupState; author: Author }[] = [
    { what: "for what is as before", after: state, author: { replica: 1 } },
    {
      what: "for two in one",
      after: { ...state, inSync: [node(1), node(3)] },
      author: { replica: 1 },
    },
    {
      what: "for another primary in the same epoch",
      after: { ...state, primary: node(2) },
      author: "router",
    },
    { what: "for an epoch left out", after: { ...state, epoch: 9, primary: node(2) }, author: "router" },
    { what: "for an epoch that falls", after: { ...state, epoch: 6 }, author: { replica: 1 } },
    {
      what: "for a member that a promotion takes out",
      after: { epoch: 8, primary: node(2), inSync: [node(2)] },
      author: "router",
    },
    {
      what: "for a standby that takes another out",
      after: { ...state, inSync: [node(2)], primary: undefined },
      author: { replica: 2 },
    },
    {
      what: "for a router that changes the set",
      after: { ...state, inSync: [node(1)] },
      author: "router",
    },
  ];
  for (const { what, after, author } of cases) {
    it(what, () => assert.equal(explain(state, after, author), undefined));
  }
});
