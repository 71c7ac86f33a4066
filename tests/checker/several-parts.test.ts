// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { at, since } from "./hand-written.ts";
import type { Call } from "./history.ts";
import { checkLinearizability } from "./linearizability.ts";
import type { Model } from "./model.ts";

type Values = Readonly<Record<string, string>>;

/** Reads some registers and then writes some, at once. */
interface Batch {
  readonly reads: Values;
  readonly writes: Values;
}

const pairs = (values: Values) => Object.entries(values).map(([name, value]) => `${name}=${value}`);

/** Registers that are empty at first. */
const plainModel: Model<Values, Batch> = {
  initial: {},
  step(state, { reads, writes }) {
    if (Object.entries(reads).some(([name, value]) => (state[name] ?? "") !== value)) return undefined;
    return Object.keys(writes).length === 0 ? state : { ...state, ...writes };
  },
  stateKey: (state) => pairs(state).sort().join(),
  partsOf: ({ reads, writes }) => [...Object.keys(reads), ...Object.keys(writes)],
  withoutAnswer: ({ writes }) => ({ reads: {}, writes }),
  describe: ({ reads, writes }) => `read ${pairs(reads)}, write ${pairs(writes)}`,
  describeState: (state) => pairs(state).join(", "),
};

const model: Model<Values, Batch> = {
  ...plainModel,
  signs: {
    // Neither what reads too can be delayed beyond any write, nor what writes twice beyond one that hides half of it.
    leftBy({ reads, writes }) {
      const single = Object.keys(reads).length === 0 && Object.keys(writes).length === 1;
      return single ? pairs(writes) : undefined;
    },
    neededBy: ({ reads }) => pairs(reads),
  },
};

const write = (writes: Values): Batch => ({ reads: {}, writes });
const read = (reads: Values): Batch => ({ reads, writes: {} });

describe("a model with operations on several parts", () => {
  it("finds what is only wrong about two parts together", () => {
    const halves = [
      at(0, 1, write({ a: "1", b: "1" })),
      at(2, 9, write({ a: "2", b: "2" })),
      at(3, 4, read({ a: "2" })),
      at(5, 6, read({ b: "1" })),
    ];
    const verdict = checkLinearizability(model, halves);
    assert.ok(verdict.verdict === "violation");
    assert.deepEqual(verdict.violation.parts, ["a", "b"]);
  });

  it("checks parts together that only others connect, and no more", () => {
    const chain = [
      at(0, 1, write({ x: "1" })),
      at(0, 1, write({ a: "1", b: "1" })),
      at(0, 1, write({ d: "1", c: "1" })),
      at(2, 3, read({ c: "1", b: "1" })),
      at(4, 5, read({ d: "2" })),
    ];
    const verdict = checkLinearizability(model, chain);
    assert.ok(verdict.verdict === "violation");
    assert.deepEqual(verdict.violation.parts.toSorted(), ["a", "b", "c", "d"]);
  });

  it("sees several writes of unknown outcome by one read", () => {
    const history = [
      since(0, write({ a: "1" })),
      since(0, write({ b: "1", c: "1" })),
      since(0, write({ c: "2" })),
      at(1, 2, read({ a: "1", b: "1", c: "2" })),
    ];
    assert.equal(checkLinearizability(model, history).verdict, "linearizable");
  });

  it("sees a write of unknown outcome by what another made of it", () => {
    const history = [
      since(0, write({ a: "1" })),
      since(0, { reads: { a: "1" }, writes: { b: "1" } }),
      at(1, 2, read({ b: "1" })),
    ];
    assert.equal(checkLinearizability(model, history).verdict, "linearizable");
    assert.equal(checkLinearizability(model, history.slice(1)).verdict, "violation");
  });

  it("has a write of unknown outcome still left for one order after it tried another that needs it too", () => {
    const history = [
      at(0, 1, write({ a: "2" })),
      since(0, write({ a: "2" })),
      at(2, 9, write({ a: "1" })),
      at(3, 9, { reads: { a: "2" }, writes: { a: "1" } }),
      at(10, 11, read({ a: "2" })),
    ];
    assert.equal(checkLinearizability(model, history).verdict, "linearizable");
  });

  it("comes to the same with hints about unknown outcomes and without", { timeout: 60_000 }, () => {
    const values = fc.dictionary(fc.constantFrom("a", "b"), fc.constantFrom("1", "2"), {
      maxKeys: 2,
      noNullPrototype: true,
    });
    const call = fc
      .record({
        reads: values,
        writes: values,
        called: fc.nat(6),
        lasted: fc.option(fc.nat(6), { nil: undefined }),
      })
      .filter(({ reads, writes }) => Object.keys({ ...reads, ...writes }).length > 0)
      .map(({ called, lasted, ...batch }): Call<Batch> => {
        return lasted === undefined ? since(called, batch) : at(called, called + lasted, batch);
      });
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(call, { maxLength: 8 }), (history) => {
        const { verdict } = checkLinearizability(model, history);
        seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
        assert.equal(verdict, checkLinearizability(plainModel, history).verdict);
      }),
      { numRuns: 1000 },
    );
    for (const verdict of ["linearizable", "violation"]) assert.ok((seen.get(verdict) ?? 0) > 100, verdict);
  });
});
