import type { Call } from "./history.ts";
import type { Model } from "./model.ts";

/** A call with all that a search asks the model about it, but for its steps. */
export interface Item<Operation> {
  readonly call: Call<Operation>;
  /** By when it must have taken effect; undefined when it need not. */
  readonly deadline: number | undefined;
  readonly rank: number | undefined;
  /** Signs that it leaves and others need; undefined: it may matter in other ways. */
  readonly left: readonly string[] | undefined;
  readonly needed: readonly string[];
  /** The same for optional calls that, once all are sent, nothing tells apart. */
  readonly likeness: string;
}

/** All of `calls`, but for those outside of `required` that nobody can notice. */
export function itemsOf<State, Operation>(
  { signs, rank: rankOf }: Model<State, Operation>,
  calls: readonly Call<Operation>[],
  required: ReadonlySet<Call<Operation>>,
): Item<Operation>[] {
  const canMatter = (call: Call<Operation>) =>
    required.has(call) || signs?.leftBy(call.operation)?.length !== 0;
  const needs = new Set(calls.filter(canMatter).flatMap(({ operation }) => signs?.neededBy(operation) ?? []));
  const items = calls.map((call) => {
    const { operation } = call;
    const rank = rankOf?.(operation);
    const left = signs?.leftBy(operation)?.filter((sign) => needs.has(sign));
    const needed = signs?.neededBy(operation) ?? [];
    const likeness = JSON.stringify(left === undefined || rank !== undefined ? operation : [left, needed]);
    return { call, deadline: required.has(call) ? call.returned : undefined, rank, left, needed, likeness };
  });
  return items.filter(({ deadline, left }) => deadline !== undefined || left?.length !== 0);
}
