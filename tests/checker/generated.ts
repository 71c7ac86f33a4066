/** Histories made by chance, for property tests: of one key, with times so coarse that many are equal. */
import fc from "fast-check";
import { get, getNothing, put, remove, removeNothing } from "./hand-written.ts";
import type { Call, History } from "./history.ts";
import type { KeyOperation } from "./key-value-model.ts";

const value = fc.constantFrom("a", "b", "c");

/** How a call of a linearizable history comes about. */
const plan = fc.record({
  kind: fc.constantFrom("get", "put", "put", "delete"),
  value,
  client: fc.nat(4),
  called: fc.nat(30),
  effectAfter: fc.nat(5),
  answerAfter: fc.nat(5),
  revisionsSkipped: fc.constantFrom(0, 0, 1),
  outcome: fc.constantFrom("known", "known", "known", "unknown", "never"),
});

type Plan = typeof plan extends fc.Arbitrary<infer Type> ? Type : never;

/** What calls would have been told if each took effect at some time between its call and its return. */
function carryOut(plans: readonly Plan[]): History<KeyOperation> {
  let current: string | undefined;
  let revision = 0;
  const effectOf = ({ kind, value, revisionsSkipped, outcome }: Plan): KeyOperation => {
    const known = outcome === "known";
    if (kind === "get") return current === undefined ? getNothing : get(current, revision);
    if (outcome === "never") return kind === "put" ? put(value) : remove();
    if (kind === "delete" && current === undefined) return known ? removeNothing : remove();
    revision += 1 + revisionsSkipped;
    current = kind === "put" ? value : undefined;
    const answer = known ? revision : undefined;
    return kind === "put" ? put(value, answer) : remove(answer);
  };
  const byEffect = plans.toSorted((a, b) => a.called + a.effectAfter - b.called - b.effectAfter);
  return byEffect.map((plan): Call<KeyOperation> => {
    const { client, kind, called, effectAfter, answerAfter, outcome } = plan;
    const returned = outcome === "known" || kind === "get" ? called + effectAfter + answerAfter : undefined;
    return { client, operation: effectOf(plan), called, returned };
  });
}

/** Histories that are linearizable. */
export function linearizable(callsMax: number): fc.Arbitrary<History<KeyOperation>> {
  return fc.array(plan, { maxLength: callsMax }).map(carryOut);
}

const damage = fc.record({
  what: fc.constantFrom("swap", "value", "revision", "nothing", "time"),
  first: fc.nat(),
  second: fc.nat(),
  value,
  by: fc.constantFrom(-5, -1, 1, 5),
});

type Damage = typeof damage extends fc.Arbitrary<infer Type> ? Type : never;

/** Histories that were linearizable before some answers or times were changed. Some still are. */
export function damaged(callsMax: number): fc.Arbitrary<History<KeyOperation>> {
  const damages = fc.array(damage, { minLength: 1, maxLength: 2 });
  return fc
    .tuple(linearizable(callsMax), damages)
    .map(([history, damages]) => damages.reduce(apply, history));
}

function apply(history: History<KeyOperation>, damage: Damage): History<KeyOperation> {
  const calls = [...history];
  const [first, second] = [damage.first % calls.length, damage.second % calls.length];
  const [one, other] = [calls[first], calls[second]];
  if (one === undefined || other === undefined) return history;
  if (damage.what === "swap") {
    calls[first] = { ...one, operation: other.operation };
    calls[second] = { ...other, operation: one.operation };
  } else if (damage.what === "time") {
    const returned = one.returned === undefined ? undefined : one.returned + damage.by;
    calls[first] = { ...one, called: one.called + damage.by, returned };
  } else {
    calls[first] = { ...one, operation: falsified(one.operation, damage) };
  }
  return calls;
}

function falsified(operation: KeyOperation, { what, value, by }: Damage): KeyOperation {
  const { kind, result } = operation;
  if (what === "nothing") return kind === "get" ? getNothing : removeNothing;
  if (what === "value" && kind === "put") return { ...operation, value };
  if (result === undefined || result === "not-found") return operation;
  if (what === "value") return get(value, result.revision);
  const revision = result.revision + by;
  if (kind === "put") return put(operation.value, revision);
  return "value" in result ? get(result.value, revision) : remove(revision);
}
