import { type GroupState, type GroupView, isSameMember, type Member } from "./model.ts";

/**
 * The state that gives a group a new primary: undefined while it has a live one, or nobody can be promoted. Only a
 * member of the in-sync set can: it alone is certain to hold every acknowledged write.
 *
 * All members stay in the set, live or not: until the new primary has taken over, each of them holds everything, and
 * may be the only one whose disk can be read. It is for the new primary to drop those that are gone.
 */
export function promotion(group: GroupView): GroupState | undefined {
  if (group.state === undefined) return undefined;
  const { epoch, primary, inSync } = group.state.value;
  if (primary !== undefined && isLive(group, primary)) return undefined;
  const [chosen] = inSync.filter((member) => isLive(group, member)).sort((a, b) => a.number - b.number);
  return chosen && { epoch: epoch + 1, primary: chosen, inSync };
}

/**
 * The state that puts `reporter` in the place of a primary that it hears nothing of; undefined when the group's state
 * has moved on since, or the reporter cannot be promoted.
 */
export function replacement(group: GroupView, epoch: number, reporter: Member): GroupState | undefined {
  const state = group.state?.value;
  if (state?.primary === undefined || state.epoch !== epoch || isSameMember(state.primary, reporter))
    return undefined;
  if (!isLive(group, reporter) || !state.inSync.some((member) => isSameMember(member, reporter)))
    return undefined;
  return { epoch: epoch + 1, primary: reporter, inSync: state.inSync };
}

/** Whether a member is registered now, in the same life. */
export function isLive({ nodes }: GroupView, member: Member): boolean {
  return nodes.some((node) => isSameMember(node, member));
}
