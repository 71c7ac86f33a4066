import type { Topology } from "../../cluster/metadata/model.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import type { TopologySource } from "../../cluster/metadata/topology.ts";
import { hasCandidate, noPrimaryReason, noRingReason, primaryOf } from "../../cluster/ring/placement.ts";
import type { Address } from "../../common/address.ts";
import { type Clock, withTimeout } from "../../common/clock.ts";
import { firstTopology } from "../first-topology.ts";

/**
 * How long to wait for a group without any candidate for primary before its keys count as unavailable. After an outage of
 * ZooKeeper all nodes register again, which takes seconds.
 */
const downGraceMs = 5000;

/**
 * Waits for the primary of a group while the group changes it. If the group is down, or the ring has no group yet, it
 * waits only a moment. `groupIn` returns the name of the group, or undefined while there is none. Errors: those of
 * `groupIn`; OperationError (unavailable), with what is missing.
 */
export async function awaitPrimary(
  source: TopologySource,
  clock: Clock,
  groupIn: (topology: Topology) => string | undefined,
  signal: AbortSignal,
): Promise<{ readonly group: string; readonly address: Address }> {
  let topology = await firstTopology(source, clock, signal);
  let downSinceMs: number | undefined;
  for (;;) {
    const name = groupIn(topology);
    const group = name === undefined ? undefined : topology.groups.get(name);
    const primary = primaryOf(group);
    if (name !== undefined && primary !== undefined) return { group: name, address: primary.address };
    downSinceMs = hasCandidate(group) ? undefined : (downSinceMs ?? clock.monotonicMs());
    const isNews = (next: Topology) => next !== topology;
    try {
      topology =
        downSinceMs === undefined
          ? await source.waitUntil(isNews, signal)
          : await withTimeout(clock, downSinceMs + downGraceMs - clock.monotonicMs(), signal, (given) =>
              source.waitUntil(isNews, given),
            );
    } catch (error) {
      const reason = name === undefined ? noRingReason(topology) : noPrimaryReason(name, group);
      throw new OperationError("unavailable", reason, { cause: error });
    }
  }
}

export interface RingWait {
  readonly suits: (topology: Topology) => boolean;
  /** What is missing, in words. */
  readonly reason: (topology: Topology) => string;
  readonly signal: AbortSignal;
}

/**
 * Waits a moment, as `awaitPrimary` does, until the ring is as the caller needs it. Errors: OperationError
 * (unavailable), with what is missing.
 */
export async function awaitRing(
  source: TopologySource,
  clock: Clock,
  { suits, reason, signal }: RingWait,
): Promise<void> {
  const first = await firstTopology(source, clock, signal);
  try {
    await withTimeout(clock, downGraceMs, signal, (given) => source.waitUntil(suits, given));
  } catch (error) {
    throw new OperationError("unavailable", reason(source.current ?? first), { cause: error });
  }
}
