import { type Clock, withTimeout } from "../../common/clock.ts";
import type { NodeView } from "../metadata/model.ts";
import type { PeerAt } from "../replication/peer.ts";
import type { Position } from "../storage/model.ts";

/** Asks nodes of a group where their logs end. Returns the positions, by number, that come within `timeoutMs`. */
export async function positionsOf(
  { peerAt, clock }: { peerAt: PeerAt; clock: Clock },
  {
    group,
    nodes,
    timeoutMs,
    signal,
  }: { group: string; nodes: readonly NodeView[]; timeoutMs: number; signal: AbortSignal },
): Promise<Map<number, Position>> {
  const positions = new Map<number, Position>();
  await Promise.all(
    nodes.map(async ({ number, incarnation, address }) => {
      try {
        const position = await withTimeout(clock, timeoutMs, signal, (given) =>
          peerAt(address).position({ group, number, incarnation }, given),
        );
        if (position !== undefined) positions.set(number, position);
      } catch {
        // A node that does not answer is left out.
      }
    }),
  );
  return positions;
}
