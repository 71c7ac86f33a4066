import { type Explanation, explain } from "./explain.ts";
import type { History } from "./history.ts";
import type { Model } from "./model.ts";
import { search } from "./search.ts";

export type Verdict<State, Operation> =
  | { readonly verdict: "linearizable" }
  | { readonly verdict: "violation"; readonly violation: Violation<State, Operation> }
  /** The limit was reached on these parts of the object; on the others there is no violation. */
  | { readonly verdict: "undecided"; readonly parts: readonly string[] };

export interface Violation<State, Operation> extends Explanation<State, Operation> {
  /** The parts of the object that the calls touch: of a key-value store, keys. */
  readonly parts: readonly string[];
  readonly calls: History<Operation>;
}

const stepsMaxDefault = 1_000_000;

/** An explanation takes many searches, most of which leave more open than the first. */
const explainingStepsMax = 30_000;

/**
 * Checks whether `history` is linearizable by `model`, parts that no operation connects apart from each other
 * (A. Horn, D. Kroening, "Faster linearizability checking via P-compositionality", 2015), and explains the first
 * violation. `stepsMax` bounds what connected parts may cost: a step is a call considered in one place, and takes about
 * a microsecond and 200 bytes.
 */
export function checkLinearizability<State, Operation>(
  model: Model<State, Operation>,
  history: History<Operation>,
  stepsMax = stepsMaxDefault,
): Verdict<State, Operation> {
  checkTimes(model, history);
  const undecided: string[] = [];
  for (const calls of connectedCalls(model, history)) {
    const { verdict } = search(model, calls, stepsMax);
    if (verdict === "linearizable") continue;
    const parts = [...new Set(calls.flatMap(({ operation }) => model.partsOf(operation)))];
    if (verdict === "violation") {
      return {
        verdict,
        violation: { parts, calls, ...explain(model, calls, Math.min(stepsMax, explainingStepsMax)) },
      };
    }
    undecided.push(...parts);
  }
  return undecided.length > 0 ? { verdict: "undecided", parts: undecided } : { verdict: "linearizable" };
}

function checkTimes<State, Operation>(model: Model<State, Operation>, history: History<Operation>): void {
  for (const { operation, called, returned } of history) {
    if (called <= (returned ?? called)) continue;
    throw new RangeError(
      `returned at ${returned} before it was called at ${called}: ${model.describe(operation)}`,
    );
  }
}

/** The calls that share parts, directly or over others, together. */
function connectedCalls<State, Operation>(
  model: Model<State, Operation>,
  history: History<Operation>,
): Iterable<History<Operation>> {
  const joinedTo = new Map<string, string>();
  const rootOf = (part: string) => {
    let root = part;
    for (let up: string | undefined = part; up !== undefined; up = joinedTo.get(up)) root = up;
    return root;
  };
  const firstParts = history.map(({ operation }) => {
    const [first, ...others] = model.partsOf(operation);
    if (first === undefined) throw new RangeError(`touches no part: ${model.describe(operation)}`);
    const root = rootOf(first);
    for (const other of others.map(rootOf)) if (other !== root) joinedTo.set(other, root);
    return first;
  });
  return Map.groupBy(history, (_, index) => rootOf(firstParts[index] ?? "")).values();
}
