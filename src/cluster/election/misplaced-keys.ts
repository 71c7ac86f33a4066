import { type Clock, withTimeout } from "../../common/clock.ts";
import type { RingShape, Topology } from "../metadata/model.ts";
import type { MisplacedKeys, PeerAt } from "../replication/peer.ts";
import { primaryOf } from "../ring/placement.ts";

export interface CountOptions {
  readonly clock: Clock;
  readonly peerAt: PeerAt;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Has the primary of a group count the keys that a ring assigns to other groups. Undefined when the group has no primary now.
 * Rejects when that does not answer.
 */
export async function countMisplaced(
  { clock, peerAt, timeoutMs, signal }: CountOptions,
  { groups }: Topology,
  group: string,
  { groups: ringGroups, virtualNodes }: RingShape,
): Promise<MisplacedKeys | undefined> {
  const primary = primaryOf(groups.get(group));
  if (primary === undefined) return undefined;
  return await withTimeout(clock, timeoutMs, signal, (given) =>
    peerAt(primary.address).countMisplaced({ group, ringGroups, virtualNodes }, given),
  );
}

/** All keys of the group. A primary of an earlier version counts only those of other groups. */
export function allKeysOf({ keys, groups }: MisplacedKeys): number {
  return groups.reduce((sum, each) => sum + each.keys, 0) || keys;
}
