import type { Topology } from "../cluster/metadata/model.ts";
import { OperationError } from "../cluster/metadata/operation-error.ts";
import type { TopologySource } from "../cluster/metadata/topology.ts";
import { type Clock, withTimeout } from "../common/clock.ts";

/** A call to a node that has just started waits this long for the first topology, and then fails with the reason. */
const firstReadMs = 1000;

/**
 * The newest topology. Right after the start it waits for the first one. Errors: OperationError (unavailable), with
 * what is missing.
 */
export async function firstTopology(
  source: TopologySource,
  clock: Clock,
  signal: AbortSignal,
): Promise<Topology> {
  try {
    return await withTimeout(clock, firstReadMs, signal, (given) => source.waitUntil(() => true, given));
  } catch (error) {
    // It is the call's time that is over.
    if (source.current !== undefined) return source.current;
    throw new OperationError("unavailable", source.unreadReason, { cause: error });
  }
}
