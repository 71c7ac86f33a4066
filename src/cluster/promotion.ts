import type { GroupState, GroupView, Member } from "./model.ts";

/**
 * The state that gives a group a new primary: undefined while it has a live one, or nobody can be promoted. Only a
 * member of the in-sync set can: it alone is certain to hold every acknowledged write.
 *
 * Members that are not live leave the set with this step, so that the new primary need not wait for them; they come
 * back once they have caught up.
 */
export function promotion({ state, nodes }: GroupView): GroupState | undefined {
  if (state === undefined) return undefined;
  const { epoch, primary, inSync } = state.value;
  const isLive = (member: Member) =>
    nodes.some((node) => node.number === member.number && node.incarnation === member.incarnation);
  if (primary !== undefined && isLive(primary)) return undefined;
  const candidates = inSync.filter(isLive).sort((a, b) => a.number - b.number);
  const chosen = candidates[0];
  if (chosen === undefined) return undefined;
  return { epoch: epoch + 1, primary: chosen, inSync: candidates };
}
