import { type Clock, sleep } from "../../common/clock.ts";
import type { AssignedKeys } from "../replication/peer.ts";
import type { HashRing } from "../ring/hash-ring.ts";
import { LogStoreError } from "../storage/errors.ts";
import type { ScanReader } from "../storage/key-view.ts";
import type { LogStore } from "../storage/log-store.ts";

/** Keys counted at once: that takes about a millisecond. */
const stepKeys = 1000;

/** Then calls have their turn. */
const restMs = 1;

/** Counts the keys of a store by the group that a ring assigns them to, while reads and writes go on. */
export async function countAssigned(store: LogStore, ring: HashRing, clock: Clock): Promise<AssignedKeys[]> {
  const counts = new Map<string, { keys: number; bytes: number }>();
  for (let after: string | undefined, isAtEnd = false; !isAtEnd; ) {
    const reader = store.openScan(after === undefined ? {} : { after });
    try {
      for (let keys = step(reader); !isAtEnd; keys = step(reader)) {
        isAtEnd = keys.length === 0;
        for (const key of keys) {
          const group = ring.owner(key) ?? "";
          const count = counts.get(group) ?? { keys: 0, bytes: 0 };
          counts.set(group, { keys: count.keys + 1, bytes: count.bytes + store.entryBytes(key) });
          after = key;
        }
        await sleep(clock, restMs);
      }
    } catch (error) {
      // Much was written meanwhile: another reader goes on behind the last key.
      if (!(error instanceof LogStoreError && error.code === "overrun" && after !== undefined)) throw error;
      await sleep(clock, restMs);
    } finally {
      await reader.close();
    }
  }
  return [...counts].map(([group, count]) => ({ group, ...count }));
}

function step(reader: ScanReader): string[] {
  return reader.nextKeys(stepKeys).map(({ key }) => key);
}
