import {
  type GroupState,
  type GroupView,
  isSameMember,
  type Member,
  type NodeView,
} from "../metadata/model.ts";
import { comparePositions } from "../storage/format/history.ts";
import type { Position } from "../storage/model.ts";

/**
 * Who can be made primary of a group that has no live one. Only members of the in-sync set can: they alone are certain
 * to hold every acknowledged write.
 */
export function candidates(group: GroupView): NodeView[] {
  const state = group.state?.value;
  if (state === undefined || (state.primary !== undefined && isLive(group, state.primary))) return [];
  return liveInSync(group);
}

/**
 * Who can be made primary in the place of one that `reporter` hears nothing of; nobody when the group's state has moved
 * on since, or the reporter is not in sync.
 */
export function replacements(group: GroupView, epoch: number, reporter: Member): NodeView[] {
  const state = group.state?.value;
  const { primary } = state ?? {};
  if (primary === undefined || state?.epoch !== epoch) return [];
  const others = liveInSync(group).filter((node) => !isSameMember(node, primary));
  return others.some((node) => isSameMember(node, reporter)) ? others : [];
}

/**
 * Which of `nodes`, all of them in sync and live, is to be primary: the one whose log ends last, by what is known of
 * their positions; of equal ones the first. All of them hold what was acknowledged, unless somebody has put an old log
 * in a node's place: the longest log is then the right one.
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
  return nodes.filter((node) => inSync.some((member) => isSameMember(member, node)));
}

/** Whether a member is registered now, in the same life. */
export function isLive({ nodes }: GroupView, member: Member): boolean {
  return nodes.some((node) => isSameMember(node, member));
}
