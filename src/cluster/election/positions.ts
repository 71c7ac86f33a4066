import { type Clock, withTimeout } from "../../common/clock.ts";
import type { NodeView } from "../metadata/model.ts";
import type { PeerAt } from "../replication/peer.ts";
import type { Position } from "../storage/model.ts";

/** Where the logs of some nodes of a group end, by number: of those that answer within `timeoutMs`. */
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
    nodes.map(async ({ number, address }) => {
      try {
        const position = await withTimeout(clock, timeoutMs, signal, (given) =>
          peerAt(address).position({ group }, given),
        );
        if (position !== undefined) positions.set(number, position);
      } catch {
        // Who does not answer holds nothing up.
      }
    }),
  );
  return positions;
}
