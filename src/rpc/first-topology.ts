import { type Clock, withTimeout } from "../cluster/clock.ts";
import { KvError } from "../cluster/errors.ts";
import type { Topology } from "../cluster/model.ts";
import type { TopologySource } from "../cluster/topology.ts";

/** Whoever asks a node that has just been started waits so long for what it will know in a moment, and is then told why. */
const firstReadMs = 1000;

/** The newest topology; right after the start, the first one. Errors: KvError (unavailable), with what is missing. */
export async function firstTopology(
  source: TopologySource,
  clock: Clock,
  signal: AbortSignal,
): Promise<Topology> {
  try {
    return await withTimeout(clock, firstReadMs, signal, (given) => source.waitUntil(() => true, given));
  } catch (error) {
    throw new KvError("unavailable", source.unreadReason, { cause: error });
  }
}
