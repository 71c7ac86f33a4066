import type { Call } from "./history.ts";
import { itemsOf } from "./items.ts";
import type { Model } from "./model.ts";
import { Unplaced } from "./unplaced.ts";

export type Outcome<State, Operation> =
  | { readonly verdict: "linearizable"; readonly witness: Witness<State, Operation> }
  | { readonly verdict: "violation" }
  | { readonly verdict: "undecided" };

/** An order of calls that the model and their times allow, and the state that it leads to. */
export interface Witness<State, Operation> {
  readonly order: readonly Call<Operation>[];
  readonly state: State;
}

/** A call that is placed, or can be. */
interface Move<State> {
  readonly id: number;
  /** After it. */
  readonly state: State;
  /** The optional calls placed last, as far as no call after them has yet needed a sign that they leave. */
  readonly owing: readonly number[];
}

/** What one search works with. */
interface Search<State, Operation> {
  readonly model: Model<State, Operation>;
  readonly unplaced: Unplaced<Operation>;
  /** Counts the steps. */
  readonly work: { steps: number };
}

/** A configuration that the search is in. */
interface Node<State> {
  /** What led here; undefined at the start. */
  readonly move: Move<State> | undefined;
  readonly parent: Node<State> | undefined;
  readonly moves: Iterator<Move<State>, void>;
}

/**
 * Looks for an order of `calls`, all that have returned and any of the others, that their times and the model allow: depth
 * first over which call takes effect next (J. Wing, C. Gong, "Testing and verifying concurrent objects", 1993), never
 * going on twice from the same state with the same calls placed (G. Lowe, "Testing for linearizability", 2016).
 * Undecided when that takes more than `stepsMax` steps, which bounds the memory too; a step is a call considered in
 * one place.
 *
 * Three rules keep it from trying what cannot matter. A call that changes nothing is placed where it first can be: it
 * could be moved there from wherever else it stands. A call of higher rank is placed after all of lower rank. An
 * optional call with signs is placed only where others need one.
 */
export function search<State, Operation>(
  model: Model<State, Operation>,
  calls: readonly Call<Operation>[],
  stepsMax: number,
): Outcome<State, Operation> {
  const unplaced = new Unplaced(itemsOf(model, calls));
  const seen = new Seen();
  const work = { steps: 0 };
  const enter = (move: Move<State> | undefined, parent: Node<State> | undefined): Node<State> => {
    const { state, owing } = move ?? { state: model.initial, owing: [] };
    return { move, parent, moves: movesFrom({ model, unplaced, work }, state, owing) };
  };
  let node = enter(undefined, undefined);
  while (unplaced.requiredLeft > 0) {
    const move = node.moves.next().value;
    if (work.steps > stepsMax) return { verdict: "undecided" };
    if (move === undefined) {
      if (node.move === undefined || node.parent === undefined) return { verdict: "violation" };
      unplaced.takeBack(node.move.id);
      node = node.parent;
      continue;
    }
    unplaced.place(move.id);
    const configuration = `${unplaced.requiredPlaced()} ${move.owing} ${model.stateKey(move.state)}`;
    if (seen.add(configuration, unplaced.optionalPlaced, work)) node = enter(move, node);
    else unplaced.takeBack(move.id);
  }
  const order: Call<Operation>[] = [];
  for (let at: Node<State> | undefined = node; at?.move !== undefined; at = at.parent) {
    order.push(unplaced.item(at.move.id).call);
  }
  return {
    verdict: "linearizable",
    witness: { order: order.reverse(), state: node.move?.state ?? model.initial },
  };
}

/** Sets of placed calls that are compared in the time of a step. */
const comparisonsPerStep = 20;

/**
 * Configurations that the search has been in. One with the same required calls placed and the same state, but more
 * optional calls, leads nowhere either: that an optional call is left never hinders.
 */
class Seen {
  readonly #optionalPlaced = new Map<string, bigint[]>();

  /** False if it was there already, or another that could do as much. */
  add(configuration: string, optionalPlaced: bigint, work: { steps: number }): boolean {
    const before = this.#optionalPlaced.get(configuration);
    work.steps += (before?.length ?? 0) / comparisonsPerStep;
    if (before === undefined) this.#optionalPlaced.set(configuration, [optionalPlaced]);
    else if (before.some((placed) => (placed & optionalPlaced) === placed)) return false;
    else before.push(optionalPlaced);
    return true;
  }
}

/** What can be next in `state`. To be asked on only while the same calls are placed. */
function* movesFrom<State, Operation>(
  { model, unplaced, work }: Search<State, Operation>,
  state: State,
  owing: readonly number[],
): Generator<Move<State>, void> {
  const required = unplaced.requiredNext();
  work.steps += required.length;
  const changes: Move<State>[] = [];
  for (const id of required) {
    if (!settles(unplaced, id, owing)) continue;
    const next = model.step(state, unplaced.item(id).call.operation);
    if (next === state) {
      yield { id, state, owing: [] };
      return;
    }
    if (next !== undefined) changes.push({ id, state: next, owing: [] });
  }
  yield* changes;

  const optional = unplaced.optionalNext();
  work.steps += optional.length;
  const needing = [...required, ...optional].filter((id) => unplaced.item(id).needed.length > 0);
  for (const id of optional) {
    const stillOwing = owingAfter(unplaced, id, owing);
    if (stillOwing.length > 0 && !needing.some((other) => settles(unplaced, other, stillOwing))) continue;
    const next = model.step(state, unplaced.item(id).call.operation);
    if (next !== undefined && next !== state) yield { id, state: next, owing: stillOwing };
  }
}

/** Which optional calls owe a needed sign once the optional call `id` has been placed after `owing`. */
function owingAfter(unplaced: Unplaced<unknown>, id: number, owing: readonly number[]): number[] {
  const { left, needed } = unplaced.item(id);
  const others = owing.filter((other) => !shares(unplaced.item(other).left, needed));
  return left === undefined ? others : [...others, id];
}

/** Whether call `id` needs a sign of each of `owing`: one from each. */
function settles(unplaced: Unplaced<unknown>, id: number, owing: readonly number[]): boolean {
  const { needed } = unplaced.item(id);
  return owing.length <= needed.length && owing.every((other) => shares(unplaced.item(other).left, needed));
}

function shares(left: readonly string[] | undefined, needed: readonly string[]): boolean {
  return left?.some((sign) => needed.includes(sign)) ?? false;
}
