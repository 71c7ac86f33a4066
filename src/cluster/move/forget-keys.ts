import { type Clock, sleep } from "../../common/clock.ts";
import type { Primary } from "../replication/primary.ts";
import { keysInSteps } from "../storage/keys-in-steps.ts";
import type { LogStore } from "../storage/log-store.ts";
import type { Change } from "../storage/model.ts";

/** Keys that are looked at in one turn, and that one record forgets at most. */
const keysMax = 1000;

/** Between two turns, so that calls have most of the time. */
const restMs = 2;

/**
 * Whether a log may have keys that moves have left in it. One that was never part of a move has none, whatever its keys:
 * those of the original program are not to be removed because the ring places them elsewhere.
 */
export function mayHaveStrays({ moves, hasCopies }: Pick<LogStore, "moves" | "hasCopies">): boolean {
  return moves.change > 0 || hasCopies;
}

export interface ForgetOptions {
  readonly primary: Pick<Primary, "log">;
  readonly store: LogStore;
  readonly clock: Clock;
  /** Whether this group is to have the key no longer. Asked in the turn in which the key is forgotten. */
  readonly isForgotten: (key: string) => boolean;
  readonly signal: AbortSignal;
}

/**
 * Removes keys that belong to another group, by records that are no events for watches. Returns how many they were.
 * Errors: unavailable, exhausted, outcome-unknown.
 */
export async function forgetKeys({
  primary,
  store,
  clock,
  isForgotten,
  signal,
}: ForgetOptions): Promise<number> {
  const { log } = primary;
  let count = 0;
  for await (const step of keysInSteps(store, keysMax)) {
    if (signal.aborted) break;
    while (log.isHeld) await log.untilReleased(signal);
    log.admit();
    const forgotten = step.filter((key) => isForgotten(key) && store.pendingFacts(key) !== undefined);
    if (forgotten.length > 0) {
      const seq = log.propose(forgotten.map(forgetting), { move: { kind: "forget" } });
      count += forgotten.length;
      await log.committed(seq, signal);
    }
    await sleep(clock, restMs, signal);
  }
  return count;
}

function forgetting(key: string): Change {
  return { kind: "delete", key, value: new Uint8Array(), text: false, previous: 0 };
}
