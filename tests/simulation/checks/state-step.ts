import { type GroupState, isSameMember } from "../../../src/cluster/metadata/model.ts";

/** What is wrong with a change of the authority over a group, whoever has made it and however. */
export function problemWithStep(name: string, before: GroupState, next: GroupState): string | undefined {
  const step = shownStep(before, next);
  if (next.epoch < before.epoch) return `the epoch of group ${name} falls ${step}`;
  if (next.epoch === before.epoch) {
    const { primary } = next;
    const changed =
      primary !== undefined && (before.primary === undefined || !isSameMember(primary, before.primary));
    return changed ? `group ${name} has another primary in the same epoch ${step}` : undefined;
  }
  if (next.epoch > before.epoch + 1) return `group ${name} leaves out an epoch ${step}`;
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
