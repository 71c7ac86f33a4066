import { type Clock, sleep } from "../../common/clock.ts";
import type { AssignedKeys } from "../replication/peer.ts";
import type { HashRing } from "../ring/hash-ring.ts";
import { keysInSteps } from "../storage/keys-in-steps.ts";
import type { LogStore } from "../storage/log-store.ts";

/** Keys counted at once: that takes about a millisecond. */
const stepKeys = 1000;

/** Then calls have their turn. */
const restMs = 1;

/** Counts the keys of a store by the group that a ring assigns them to, while reads and writes go on. */
export async function countAssigned(store: LogStore, ring: HashRing, clock: Clock): Promise<AssignedKeys[]> {
  const counts = new Map<string, { keys: number; bytes: number }>();
  for await (const step of keysInSteps(store, stepKeys)) {
    for (const key of step) {
      const group = ring.owner(key) ?? "";
      const count = counts.get(group) ?? { keys: 0, bytes: 0 };
      counts.set(group, { keys: count.keys + 1, bytes: count.bytes + store.entryBytes(key) });
    }
    await sleep(clock, restMs);
  }
  return [...counts].map(([group, count]) => ({ group, ...count }));
}
