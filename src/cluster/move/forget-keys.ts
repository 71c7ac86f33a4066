import { type Clock, sleep } from "../../common/clock.ts";
import type { Primary } from "../replication/primary.ts";
import { keysInSteps } from "../storage/keys-in-steps.ts";
import type { LogStore } from "../storage/log-store.ts";
import type { Change } from "../storage/model.ts";
import { Pacer } from "./pacer.ts";

/** Keys that are looked at in one turn. */
const keysMax = 1000;

/** Keys that one record forgets at most: that takes some milliseconds. */
const recordKeysMax = 250;

/** Between two turns, so that calls come in between, also those that the pacer does not count. */
const restMs = 1;

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
  readonly callCount: () => number;
  /** Whether this group is to have the key no longer. Asked in the turn in which the key is forgotten. */
  readonly isForgotten: (key: string) => boolean;
  readonly signal: AbortSignal;
}

/**
 * Removes keys that belong to another group, by records that are no events for watches. Returns how many they were.
 * Errors: unavailable, exhausted, outcome-unknown.
 */
export async function forgetKeys(options: ForgetOptions): Promise<number> {
  const { store, clock, signal } = options;
  const pacer = new Pacer(options);
  let count = 0;
  for await (const keys of keysInSteps(store, keysMax)) {
    if (signal.aborted) break;
    for (let from = 0; from < keys.length; from += recordKeysMax) {
      const some = keys.slice(from, from + recordKeysMax);
      count += await pacer.run(() => forgetSome(some, options));
    }
    await sleep(clock, restMs, signal);
  }
  return count;
}

async function forgetSome(
  keys: readonly string[],
  { primary, store, isForgotten, signal }: ForgetOptions,
): Promise<number> {
  const { log } = primary;
  while (log.isHeld) await log.untilReleased(signal);
  log.admit();
  const forgotten = keys.filter((key) => isForgotten(key) && store.pendingFacts(key) !== undefined);
  if (forgotten.length === 0) return 0;
  const seq = log.propose(forgotten.map(forgetting), { move: { kind: "forget" } });
  await log.committed(seq, signal);
  return forgotten.length;
}

function forgetting(key: string): Change {
  return { kind: "delete", key, value: new Uint8Array(), text: false, previous: 0 };
}
