import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type GroupState, isSameMember } from "../../../src/cluster/metadata/model.ts";
import { apply, refusal, type Transition } from "../../../src/cluster/replication/group-state.ts";

const member = fc.record({
  number: fc.integer({ min: 1, max: 4 }),
  incarnation: fc.constantFrom("1", "2"),
});
const term = fc.record({
  epoch: fc.integer({ min: 0, max: 4 }),
  primary: fc.integer({ min: 1, max: 4 }),
});
const anyTransition: fc.Arbitrary<Transition> = fc.oneof(
  fc.record({ kind: fc.constant("form" as const), first: member, after: fc.integer({ min: 0, max: 4 }) }),
  fc.record({ kind: fc.constant("rejoin" as const), self: member }),
  fc.record({ kind: fc.constant("leave" as const), number: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant("expand" as const), by: term, joining: member }),
  fc.record({ kind: fc.constant("shrink" as const), by: term, leaving: fc.array(member, { maxLength: 2 }) }),
  fc.record({ kind: fc.constant("transfer" as const), by: term, to: member }),
  fc.record({ kind: fc.constant("promote" as const), to: member }),
  fc.record({
    kind: fc.constant("replace-silent" as const),
    epoch: fc.integer({ min: 0, max: 4 }),
    reporter: member,
    to: member,
  }),
  fc.record({ kind: fc.constant("recover" as const), to: member }),
);

/** The primary's own transitions, seldom drawn right, made to fit the state. */
function inTerm(current: GroupState, transition: Transition): Transition {
  const { epoch, primary } = current;
  if (primary === undefined || !("by" in transition)) return transition;
  return { ...transition, by: { epoch, primary: primary.number } };
}

describe("whatever is tried in whatever order, of each state of a group", () => {
  const steps = fc.array(fc.tuple(anyTransition, fc.boolean()), { maxLength: 40 });
  /** Calls `check` with each change that is made. */
  const holds = (check: (before: GroupState, after: GroupState, transition: Transition) => void) =>
    fc.assert(
      fc.property(member, steps, (first, tried) => {
        let current = apply(undefined, { kind: "form", first, after: 0 });
        for (const [drawn, fits] of tried) {
          const transition = fits ? inTerm(current, drawn) : drawn;
          if (refusal(current, transition) !== undefined) continue;
          const next = apply(current, transition);
          check(current, next, transition);
          current = next;
        }
      }),
      { numRuns: 300 },
    );

  it("the in-sync set has at least one member, each replica once, by number", () => {
    holds((_, { inSync }) => {
      const numbers = inSync.map(({ number }) => number);
      assert.ok(numbers.length > 0);
      assert.deepEqual(
        numbers,
        [...new Set(numbers)].sort((a, b) => a - b),
      );
    });
  });

  it("the primary is in sync in that very life", () => {
    holds((_, { primary, inSync }) => {
      assert.ok(primary === undefined || inSync.some((other) => isSameMember(other, primary)));
    });
  });

  it("the epoch rises by one with a new primary, and only then", () => {
    holds((before, after) => {
      const { primary } = before;
      const isNew =
        after.primary !== undefined && (primary === undefined || !isSameMember(after.primary, primary));
      assert.equal(after.epoch, before.epoch + (isNew ? 1 : 0));
    });
  });

  it("a new epoch takes nobody into the set or out of it, but by an operator's word", () => {
    holds((before, after, { kind }) => {
      if (after.epoch > before.epoch && kind !== "recover") assert.deepEqual(after.inSync, before.inSync);
    });
  });
});
