import { type GroupState, type GroupView, isSameMember, type Member } from "./model.ts";

/**
 * The state that gives a group a new primary: undefined while it has a live one, or nobody can be promoted. Only a
 * member of the in-sync set can: it alone is certain to hold every acknowledged write.
 *
 * Members that are not live leave the set with this step, so that the new primary need not wait for them; they come
 * back once they have caught up.
 */
export function promotion(group: GroupView): GroupState | undefined {
  if (group.state === undefined) return undefined;
  const { epoch, primary } = group.state.value;
  if (primary !== undefined && isLive(group, primary)) return undefined;
  const candidates = liveInSync(group);
  const chosen = candidates[0];
  return chosen && { epoch: epoch + 1, primary: chosen, inSync: candidates };
}

/**
 * The state that puts `reporter` in the place of a primary that it hears nothing of; undefined when the group's state
 * has moved on since, or the reporter cannot be promoted. The old primary leaves the in-sync set: it has to show that
 * it is alive, and holds everything, before anybody waits for it again.
 */
export function replacement(group: GroupView, epoch: number, reporter: Member): GroupState | undefined {
  const state = group.state?.value;
  if (state?.primary === undefined || state.epoch !== epoch || isSameMember(state.primary, reporter))
    return undefined;
  const inSync = liveInSync(group).filter((member) => member.number !== state.primary?.number);
  if (!inSync.some((member) => isSameMember(member, reporter))) return undefined;
  return { epoch: epoch + 1, primary: reporter, inSync };
}

/** By number. */
function liveInSync(group: GroupView): Member[] {
  const inSync = group.state?.value.inSync ?? [];
  return inSync.filter((member) => isLive(group, member)).sort((a, b) => a.number - b.number);
}

/** Whether a member is registered now, in the same life. */
export function isLive({ nodes }: GroupView, member: Member): boolean {
  return nodes.some((node) => isSameMember(node, member));
}
