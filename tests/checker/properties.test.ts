// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isLinearizable } from "./brute-force.ts";
import { damaged, linearizable } from "./generated.ts";
import type { History } from "./history.ts";
import { type KeyOperation, type KeyState, keyValueModel } from "./key-value-model.ts";
import { checkLinearizability } from "./linearizability.ts";
import type { Model } from "./model.ts";

/** The search alone, with no hints by the model. */
const { rank, signs, ...plainModel } = keyValueModel;

function verdictOf(
  history: History<KeyOperation>,
  model: Model<KeyState, KeyOperation> = keyValueModel,
): string {
  return checkLinearizability(model, history).verdict;
}

describe("the checker, on histories made by chance,", () => {
  it("accepts those in which every call took effect at some time while it was under way", {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(linearizable(100), (history) => {
        assert.equal(verdictOf(history), "linearizable");
      }),
      { numRuns: 300 },
    );
  });

  it("says of short ones what trying all orders says", { timeout: 60_000 }, () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(damaged(6), (history) => {
        const expected = isLinearizable(history) ? "linearizable" : "violation";
        seen.set(expected, (seen.get(expected) ?? 0) + 1);
        assert.equal(verdictOf(history), expected);
        assert.equal(verdictOf(history, plainModel), expected);
      }),
      { numRuns: 2000 },
    );
    // Otherwise the generator has lost its worth.
    for (const verdict of ["linearizable", "violation"]) assert.ok((seen.get(verdict) ?? 0) > 200, verdict);
  });

  it("says of longer ones the same with the model's hints and without", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(damaged(16), (history) => {
        assert.equal(verdictOf(history), verdictOf(history, plainModel));
      }),
      { numRuns: 500 },
    );
  });

  it("explains a violation by calls of which each is needed", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(damaged(7), (history) => {
        const verdict = checkLinearizability(keyValueModel, history);
        if (verdict.verdict !== "violation") return;
        const { conflict } = verdict.violation;
        const relaxedBut = (kept: readonly unknown[]) =>
          history.map((call) => {
            if (call.returned === undefined || kept.includes(call)) return call;
            return { ...call, operation: keyValueModel.withoutAnswer(call.operation), returned: undefined };
          });
        assert.ok(!isLinearizable(relaxedBut(conflict)));
        for (const call of conflict) {
          assert.ok(isLinearizable(relaxedBut(conflict.filter((other) => other !== call))));
        }
      }),
      { numRuns: 500 },
    );
  });
});
