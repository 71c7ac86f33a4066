import { type GroupState, isSameMember } from "../../../src/cluster/metadata/model.ts";
import type { Author } from "./explain.ts";

/** Whether a change gives a group a primary that was not in sync: a router makes it on an operator's word. */
export function isRecovery(before: GroupState, { epoch, primary }: GroupState, by: Author): boolean {
  if (by !== "router" || primary === undefined || epoch <= before.epoch) return false;
  return !before.inSync.some((member) => isSameMember(member, primary));
}

/** What is wrong with a change of the authority over a group, whoever has made it and however. */
export function problemWithStep(
  name: string,
  before: GroupState,
  next: GroupState,
  by: Author,
): string | undefined {
  const step = shownStep(before, next);
  if (next.epoch < before.epoch) return `the epoch of group ${name} falls ${step}`;
  if (next.epoch === before.epoch) {
    const { primary } = next;
    const changed =
      primary !== undefined && (before.primary === undefined || !isSameMember(primary, before.primary));
    return changed ? `group ${name} has another primary in the same epoch ${step}` : undefined;
  }
  if (next.epoch > before.epoch + 1) return `group ${name} leaves out an epoch ${step}`;
  if (isRecovery(before, next, by)) {
    return next.inSync.length > 1 ? `group ${name} is recovered with others in sync ${step}` : undefined;
  }
  const known = before.inSync.map((member) => member.number);
  const left = known.find((number) => !next.inSync.some((member) => member.number === number));
  if (left !== undefined) {
    return `node ${left} leaves the in-sync set of group ${name} before anybody has taken over ${step}`;
  }
  const stranger = next.inSync.find(({ number }) => !known.includes(number));
  if (stranger === undefined) return undefined;
  return `node ${stranger.number}, which was not in sync, enters with a new epoch of group ${name} ${step}`;
}

export function shownStep(before: GroupState | undefined, next: GroupState): string {
  return `from ${JSON.stringify(before)} to ${JSON.stringify(next)}`;
}
