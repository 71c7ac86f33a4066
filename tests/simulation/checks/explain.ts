import type { GroupState, Member } from "../../../src/cluster/metadata/model.ts";
import { isSameMember } from "../../../src/cluster/metadata/model.ts";
import { apply, refusal, type Transition } from "../../../src/cluster/replication/group-state.ts";

/** Who has changed a group's state: a replica, by its number, or a router. */
export type Author = { readonly replica: number } | "router";

/**
 * The one legal transition by which this author has made `after` of `before`; undefined when there is none. What a
 * replica and the primary do to the set may look the same, and is told apart by who has done it. The state does not
 * tell why a master has named another primary: that is always taken for a promotion.
 */
export function explain(
  before: GroupState | undefined,
  after: GroupState,
  author: Author,
): Transition | undefined {
  const possible = author === "router" ? ofRouter(after) : ofReplica(before, after, author.replica);
  const legal = possible.filter(
    (transition) =>
      refusal(before, transition) === undefined && isSameState(apply(before, transition), after),
  );
  return legal.length === 1 ? legal[0] : undefined;
}

function ofRouter({ primary }: GroupState): Transition[] {
  if (primary === undefined) return [];
  return [
    { kind: "promote", to: primary },
    { kind: "recover", to: primary },
  ];
}

function ofReplica(before: GroupState | undefined, after: GroupState, number: number): Transition[] {
  const self = after.inSync.find((member) => member.number === number);
  const possible: Transition[] = [{ kind: "leave", number }];
  if (self !== undefined) possible.push({ kind: "form", first: self, after: 0 }, { kind: "rejoin", self });
  if (before === undefined) return possible;
  const by = { epoch: before.epoch, primary: number };
  const joining = after.inSync.filter((member) => !has(before, member));
  const leaving = before.inSync.filter((member) => !has(after, member));
  for (const member of joining) possible.push({ kind: "expand", by, joining: member });
  if (leaving.length > 0) possible.push({ kind: "shrink", by, leaving });
  if (after.primary !== undefined) possible.push({ kind: "transfer", by, to: after.primary });
  return possible;
}

function has({ inSync }: GroupState, member: Member): boolean {
  return inSync.some((other) => isSameMember(other, member));
}

function isSameState(a: GroupState, b: GroupState): boolean {
  const isSamePrimary =
    a.primary === undefined || b.primary === undefined
      ? a.primary === b.primary
      : isSameMember(a.primary, b.primary);
  const isSameSet = a.inSync.length === b.inSync.length && a.inSync.every((member) => has(b, member));
  return a.epoch === b.epoch && isSamePrimary && isSameSet;
}
