import { type Clock, sleep } from "../../common/clock.ts";
import { explain, withoutRepetition } from "../metadata/diagnostics.ts";
import type { Topology } from "../metadata/model.ts";
import type { TopologySource } from "../metadata/topology.ts";
import type { PeerAt } from "../replication/peer.ts";
import type { Move } from "../ring/changing-ring.ts";
import { placementOf } from "../ring/placement.ts";
import { requirePrimary } from "../ring/require.ts";

/** Pause after a move could not be carried out. */
const retryMs = 500;

export interface RingMoverOptions {
  readonly topology: TopologySource;
  readonly clock: Clock;
  readonly peerAt: PeerAt;
  readonly log: (message: string) => void;
  /** Aborted when this router is no longer the master. */
  readonly signal: AbortSignal;
}

/**
 * Carries a change of the ring out, one move after another, through the primaries of the groups that get the keys. They refuse
 * to while the change is paused, unless the keys have been given up already.
 */
export async function carryOutMoves(options: RingMoverOptions): Promise<void> {
  const { topology, clock, signal } = options;
  const log = withoutRepetition(options.log);
  while (!signal.aborted) {
    const seen = await topology
      .waitUntil((next) => nextMove(next) !== undefined, signal)
      .catch(() => undefined);
    const next = seen && nextMove(seen);
    if (seen === undefined || next === undefined) return;
    try {
      await moveKeys(options, seen, next);
    } catch (error) {
      if (signal.aborted) return;
      log(`keys of group "${next.move.from}" cannot be moved to "${next.move.to}" now: ${explain(error)}`);
      await sleep(clock, retryMs, signal);
    }
  }
}

interface NextMove {
  readonly change: number;
  readonly move: Move;
}

function nextMove({ ring }: Topology): NextMove | undefined {
  const change = ring?.value.change;
  if (ring === undefined || change === undefined) return undefined;
  const [move] = placementOf(ring.value).moves();
  return move && { change: change.id, move };
}

async function moveKeys(
  { peerAt, signal }: RingMoverOptions,
  topology: Topology,
  next: NextMove,
): Promise<void> {
  const { change, move } = next;
  const { address } = requirePrimary(move.to, topology.groups.get(move.to));
  await peerAt(address).moveIn({ group: move.to, from: move.from, change }, signal);
}
