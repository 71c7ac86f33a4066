import type { Call } from "./history.ts";
import type { Model } from "./model.ts";

/** A call with all that a search asks the model about it, but for its steps. */
export interface Item<Operation> {
  readonly call: Call<Operation>;
  readonly rank: number | undefined;
  /** Signs that it leaves and others need; undefined: it may matter in other ways. */
  readonly left: readonly string[] | undefined;
  readonly needed: readonly string[];
  /** The same for optional calls that, once all are sent, nothing tells apart. */
  readonly likeness: string;
}

/** All of `calls`, but for those of unknown outcome that nobody can notice. */
export function itemsOf<State, Operation>(
  { signs, rank: rankOf }: Model<State, Operation>,
  calls: readonly Call<Operation>[],
): Item<Operation>[] {
  const canMatter = ({ operation, returned }: Call<Operation>) =>
    returned !== undefined || signs?.leftBy(operation)?.length !== 0;
  const needs = new Set(calls.filter(canMatter).flatMap(({ operation }) => signs?.neededBy(operation) ?? []));
  const items = calls.map((call) => {
    const { operation } = call;
    const rank = rankOf?.(operation);
    const left = signs?.leftBy(operation)?.filter((sign) => needs.has(sign));
    const needed = signs?.neededBy(operation) ?? [];
    const likeness = JSON.stringify(left === undefined || rank !== undefined ? operation : [left, needed]);
    return { call, rank, left, needed, likeness };
  });
  return items.filter(({ call, left }) => call.returned !== undefined || left?.length !== 0);
}
