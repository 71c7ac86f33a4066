import type { Call, History } from "./history.ts";
import type { Model } from "./model.ts";
import { search, type Witness } from "./search.ts";

/** After so many searches that have come to no end, whatever is left counts as needed. */
const undecidedMax = 20;

/** What is wrong with calls that violate a model. */
export interface Explanation<State, Operation> {
  /**
   * A few calls that show it: the violation stays if the outcome of all others is unknown, and goes if that of any of
   * these is, too. In the order in which they returned.
   */
  readonly conflict: readonly Call<Operation>[];
  /**
   * An order of all calls that returned before the last of these, the first to return that has no place among those
   * before it. Other calls may be in it. Undefined when the limit was reached.
   */
  readonly before: Witness<State, Operation> | undefined;
}

/**
 * Explains why `calls` violate `model`. What `stepsMax` leaves undecided is taken for no violation, so that there may
 * be more calls in the conflict than needed.
 */
export function explain<State, Operation>(
  model: Model<State, Operation>,
  calls: History<Operation>,
  stepsMax: number,
): Explanation<State, Operation> {
  const byReturn = calls.filter((call) => call.returned !== undefined);
  byReturn.sort((a, b) => (a.returned ?? 0) - (b.returned ?? 0));
  const conflict: Call<Operation>[] = [];
  let undecided = 0;
  const isViolatedBy = (known: History<Operation>) => {
    if (undecided >= undecidedMax) return false;
    const kept = new Set(known);
    const relaxed = calls.map((call) => {
      if (call.returned === undefined || kept.has(call)) return call;
      return { ...call, operation: model.withoutAnswer(call.operation), returned: undefined };
    });
    const { verdict } = search(model, relaxed, stepsMax);
    if (verdict === "undecided") undecided++;
    return verdict === "violation";
  };

  /** The shortest beginning of `others` that violates the model together with `conflict`, when all of them do. */
  const fewestOf = (others: History<Operation>) => {
    const isEnough = (count: number) => isViolatedBy([...conflict, ...others.slice(0, count)]);
    let [tooFew, enough] = [-1, 0];
    while (enough < others.length && !isEnough(enough)) {
      [tooFew, enough] = [enough, Math.min(2 * enough + 1, others.length)];
    }
    while (enough - tooFew > 1) {
      const middle = Math.floor((enough + tooFew) / 2);
      if (isEnough(middle)) enough = middle;
      else tooFew = middle;
    }
    return others.slice(0, enough);
  };

  const first = fewestOf(byReturn);
  // The last of the fewest is needed, whichever of the others are. Of those, the nearest in time tell most.
  let fewest = first;
  let others = first.slice(0, -1).reverse();
  while (fewest.length > 0) {
    conflict.push(...fewest.slice(-1));
    fewest = fewestOf(others);
    others = fewest.slice(0, -1);
  }
  conflict.sort((a, b) => (a.returned ?? 0) - (b.returned ?? 0));
  return { conflict, before: orderOf(model, calls, new Set(first.slice(0, -1)), stepsMax) };
}

/** An order of all of `required`, and of such others of `calls` as they need. */
function orderOf<State, Operation>(
  model: Model<State, Operation>,
  calls: History<Operation>,
  required: ReadonlySet<Call<Operation>>,
  stepsMax: number,
): Witness<State, Operation> | undefined {
  const originals = new Map(
    calls.map((call) => [required.has(call) ? call : { ...call, returned: undefined }, call]),
  );
  const outcome = search(model, [...originals.keys()], stepsMax);
  if (outcome.verdict !== "linearizable") return undefined;
  const { order, state } = outcome.witness;
  return { order: order.flatMap((call) => originals.get(call) ?? []), state };
}
