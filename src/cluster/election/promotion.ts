import {
  type GroupState,
  type GroupView,
  hasMember,
  isSameMember,
  type Member,
  type NodeView,
} from "../metadata/model.ts";
import { comparePositions } from "../storage/format/history.ts";
import type { Position } from "../storage/model.ts";

/**
 * The nodes that can become primary of a group that has no live one. Only members of the in-sync set can, because only
 * they are certain to have every acknowledged write.
 */
export function candidates(group: GroupView): NodeView[] {
  const state = group.state?.value;
  if (state === undefined || (state.primary !== undefined && isLive(group, state.primary))) return [];
  return liveInSync(group);
}

/**
 * The nodes that can replace a primary that `reporter` no longer hears from. None when the group's state has changed
 * since, or the reporter is not in sync.
 */
export function replacements(group: GroupView, epoch: number, reporter: Member): NodeView[] {
  const state = group.state?.value;
  const { primary } = state ?? {};
  if (primary === undefined || state?.epoch !== epoch) return [];
  const others = liveInSync(group).filter((node) => !isSameMember(node, primary));
  return hasMember(others, reporter) ? others : [];
}

/**
 * Chooses the next primary among `nodes`, which are all in sync and live: the one whose log ends last, judged by the known
 * positions. Among equals it is the first. All of them have every acknowledged write, unless somebody has put back an old
 * log. Then the log that ends last is the right one.
 */
export function successorOf(
  { inSync }: GroupState,
  nodes: readonly Member[],
  positions: ReadonlyMap<number, Position>,
): Member | undefined {
  const none = { epoch: -1, seq: 0 };
  const positionOf = ({ number }: Member) => positions.get(number) ?? none;
  const [chosen] = [...nodes].sort(
    (a, b) => comparePositions(positionOf(b), positionOf(a)) || a.number - b.number,
  );
  return inSync.find((member) => chosen !== undefined && isSameMember(member, chosen));
}

function liveInSync({ state, nodes }: GroupView): NodeView[] {
  const inSync = state?.value.inSync ?? [];
  return nodes.filter((node) => hasMember(inSync, node));
}

/** Whether a member is registered now, in the same incarnation. */
export function isLive({ nodes }: GroupView, member: Member): boolean {
  return hasMember(nodes, member);
}
