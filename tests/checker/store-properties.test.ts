// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Call, History } from "./history.ts";
import { checkLinearizability } from "./linearizability.ts";
import {
  type BatchOperation,
  type BatchResult,
  type BatchWrite,
  type StoreCondition,
  type StoreOperation,
  storeModel,
} from "./store-model.ts";

/** Without the hints about unknown outcomes. The rank is none: that all keys share their revisions shows only in it. */
const { signs, ...plainModel } = storeModel;

const keys = ["k", "l"] as const;

const write = fc.record({ key: fc.constantFrom(...keys), puts: fc.boolean() });
const compare = fc.record({
  key: fc.constantFrom(...keys),
  condition: fc.constantFrom<StoreCondition["kind"]>("absent", "present", "revision"),
  guess: fc.nat(2),
});

/** How a call of a linearizable history comes about. */
const plan = fc.record({
  kind: fc.constantFrom("get", "scan", "put", "delete", "write", "write", "expire"),
  key: fc.constantFrom(...keys),
  compares: fc.uniqueArray(compare, { maxLength: 2, selector: ({ key }) => key }),
  writes: fc.uniqueArray(write, { minLength: 1, maxLength: 2, selector: ({ key }) => key }),
  called: fc.nat(30),
  effectAfter: fc.nat(5),
  answerAfter: fc.nat(5),
  outcome: fc.constantFrom("known", "known", "known", "unknown", "never"),
});

type Plan = typeof plan extends fc.Arbitrary<infer Type> ? Type : never;

/** A store that is told what happens, in order. */
class Store {
  readonly #values = new Map<string, { value: string; revision: number }>();
  #revision = 0;
  #written = 0;

  effectOf(plan: Plan): StoreOperation | undefined {
    const { kind, key } = plan;
    const found = this.#values.get(key);
    switch (kind) {
      case "get":
        return { kind, key, result: found ?? "not-found" };
      case "scan": {
        const all = [...this.#values].map(([each, shown]) => ({ key: each, ...shown }));
        return { kind, keys, result: { at: this.#revision, found: all } };
      }
      case "expire":
        if (found === undefined) return undefined;
        this.#values.delete(key);
        return { kind, key, previous: found.revision, result: { revision: ++this.#revision } };
      case "put":
      case "delete":
        return this.#single(plan, kind);
      default:
        return this.#write(plan);
    }
  }

  #single({ key, outcome }: Plan, kind: "put" | "delete"): StoreOperation {
    const value = `v${++this.#written}`;
    const isDone = outcome !== "never" && (kind === "put" || this.#values.has(key));
    if (isDone) {
      this.#revision++;
      if (kind === "delete") this.#values.delete(key);
      else this.#values.set(key, { value, revision: this.#revision });
    }
    const told = outcome === "known" ? { revision: this.#revision } : undefined;
    if (kind === "put") return { kind, key, value, result: told };
    return { kind, key, result: told === undefined || isDone ? told : "not-found" };
  }

  #write({ compares, writes, outcome }: Plan): BatchOperation {
    const asked: BatchOperation = {
      kind: "batch",
      compares: compares.map(({ key, condition, guess }) => {
        if (condition !== "revision") return { key, condition: { kind: condition } };
        const revision = Math.max(0, (this.#values.get(key)?.revision ?? 0) - guess);
        return { key, condition: { kind: condition, revision } };
      }),
      writes: writes.map(({ key, puts }): BatchWrite => {
        return puts ? { kind: "put", key, value: `v${++this.#written}` } : { kind: "delete", key };
      }),
      result: undefined,
    };
    const result = outcome === "never" ? undefined : this.#carryOut(asked);
    return outcome === "known" ? { ...asked, result } : asked;
  }

  #carryOut({ compares, writes }: BatchOperation): BatchResult {
    for (const { key, condition } of compares) {
      const revision = this.#values.get(key)?.revision ?? 0;
      const wanted = { absent: revision === 0, present: revision > 0, revision: false };
      const holds = condition.kind === "revision" ? condition.revision === revision : wanted[condition.kind];
      if (!holds) return { refused: key, revision };
    }
    const changes = writes.filter(({ kind, key }) => kind === "put" || this.#values.has(key));
    if (changes.length === 0) return { revision: this.#revision };
    this.#revision++;
    for (const each of changes) {
      if (each.kind === "delete") this.#values.delete(each.key);
      else this.#values.set(each.key, { value: each.value, revision: this.#revision });
    }
    return { revision: this.#revision };
  }
}

function carryOut(plans: readonly Plan[]): History<StoreOperation> {
  const store = new Store();
  const byEffect = plans.toSorted((a, b) => a.called + a.effectAfter - b.called - b.effectAfter);
  return byEffect.flatMap((plan): Call<StoreOperation>[] => {
    const { called, effectAfter, answerAfter, outcome } = plan;
    const operation = store.effectOf(plan);
    if (operation === undefined) return [];
    const isOpen = isWrite(operation) && outcome !== "known";
    return [
      { client: 1, operation, called, returned: isOpen ? undefined : called + effectAfter + answerAfter },
    ];
  });
}

function isWrite({ kind }: StoreOperation): boolean {
  return kind === "put" || kind === "delete" || kind === "batch";
}

/** Exchanges what two calls asked and were told, and moves one in time. */
function damaged(
  history: History<StoreOperation>,
  first: number,
  second: number,
  by: number,
): History<StoreOperation> {
  const calls = [...history];
  const [one, other] = [calls[first % calls.length], calls[second % calls.length]];
  if (one === undefined || other === undefined) return history;
  const called = one.called + by;
  const returned =
    other.operation.kind === "batch" && other.operation.result === undefined ? undefined : called + 3;
  calls[first % calls.length] = { ...one, operation: other.operation, called, returned };
  calls[second % calls.length] = {
    ...other,
    operation: one.operation,
    returned:
      one.returned === undefined ? undefined : Math.max(other.called, other.returned ?? other.called + 3),
  };
  return calls;
}

describe("the checker, on histories of batches, scans and expiring keys made by chance,", () => {
  it("accepts those in which every call took effect at some time while it was under way", {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(fc.array(plan, { maxLength: 60 }), (plans) => {
        assert.equal(checkLinearizability(storeModel, carryOut(plans)).verdict, "linearizable");
      }),
      { numRuns: 300 },
    );
  });

  it("comes to the same with hints about unknown outcomes and without", { timeout: 60_000 }, () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(
        fc.array(plan, { minLength: 2, maxLength: 10 }),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: -5, max: 5 }),
        (plans, first, second, by) => {
          const history = damaged(carryOut(plans), first, second, by);
          const { verdict } = checkLinearizability(storeModel, history);
          seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
          assert.equal(verdict, checkLinearizability(plainModel, history).verdict);
        },
      ),
      { numRuns: 1500 },
    );
    for (const verdict of ["linearizable", "violation"]) assert.ok((seen.get(verdict) ?? 0) > 100, verdict);
  });
});
