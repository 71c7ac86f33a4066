import type { Call, History } from "./history.ts";
import type { Model } from "./model.ts";
import { search, type Witness } from "./search.ts";

/** What is wrong with calls that violate a model. */
export interface Explanation<State, Operation> {
  /**
   * A few calls that show it: the violation stays if all others may take effect at any time after they were sent, or
   * never; it goes if one of these may, too. In the order in which they returned.
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
  const searchWith = (others: History<Operation>) =>
    search(model, calls, new Set([...conflict, ...others]), stepsMax);

  /** The shortest beginning of `others` that violates the model together with `conflict`, when all of them do. */
  const fewestOf = (others: History<Operation>) => {
    const isEnough = (count: number) => searchWith(others.slice(0, count)).verdict === "violation";
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
  const before = searchWith(first.slice(0, -1));
  // The last of the fewest is needed, whichever of the others are. Of those, the nearest in time tell most.
  let fewest = first;
  let others = first.slice(0, -1).reverse();
  while (fewest.length > 0) {
    conflict.push(...fewest.slice(-1));
    fewest = fewestOf(others);
    others = fewest.slice(0, -1);
  }
  conflict.sort((a, b) => (a.returned ?? 0) - (b.returned ?? 0));
  return { conflict, before: before.verdict === "linearizable" ? before.witness : undefined };
}
