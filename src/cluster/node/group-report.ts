import type { Address } from "../../common/address.ts";
import { type Clock, withTimeout } from "../../common/clock.ts";
import type { GroupView } from "../metadata/model.ts";
import type { MoveProgress } from "../ring/move-progress.ts";
import { primaryOf } from "../ring/placement.ts";

/** Longest wait for what a primary reports. */
const reportTimeoutMs = 2000;

/** What the primary of a group reports. */
export interface GroupReport {
  readonly keys: number;
  /** Of its log, without what compaction would remove. */
  readonly bytes: number;
  /** The moves to its group. */
  readonly moves: readonly MoveProgress[];
}

/** Asks the node at an address, which is the primary of a group, for its report. */
export type AskReport = (address: Address, group: string, signal: AbortSignal) => Promise<GroupReport>;

/** The report of a group's primary. Undefined when the group has none now, or it does not answer in time. */
export async function reportOf(
  group: GroupView | undefined,
  { clock, askReport }: { readonly clock: Clock; readonly askReport: AskReport },
  signal: AbortSignal,
): Promise<GroupReport | undefined> {
  const primary = primaryOf(group);
  if (group === undefined || primary === undefined) return undefined;
  return await withTimeout(clock, reportTimeoutMs, signal, (given) =>
    askReport(primary.address, group.name, given),
  ).catch(() => undefined);
}
