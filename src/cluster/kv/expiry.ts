import { type Clock, sleep } from "../../common/clock.ts";
import { OperationError } from "../metadata/operation-error.ts";
import { fullRetryMs } from "../replication/disk-diagnostics.ts";
import type { Primary } from "../replication/primary.ts";
import type { KeyView } from "../storage/key-view.ts";
import type { Change } from "../storage/model.ts";
import type { KeyGuard } from "./key-guard.ts";
import { isPastItsTime, removal } from "./write-plan.ts";

/** Maximum number of keys that one record ends, so that no record gets large and no turn long. */
export const expiredKeysMax = 1000;

export interface ExpiryOptions {
  readonly primary: Pick<Primary, "log" | "ended">;
  readonly keys: KeyView;
  readonly guard: Pick<KeyGuard, "takesWrites">;
  readonly clock: Clock;
  /** How often to look for expired keys. */
  readonly tickMs: number;
}

/**
 * Ends expired keys. A key only ends with a record. Otherwise another primary, whose clock is behind, would show it
 * again.
 */
export class Expiry {
  readonly #options: ExpiryOptions;
  /** The last key of the last turn. Undefined: the next turn begins with the first key. */
  #lookedTo: string | undefined;

  constructor(options: ExpiryOptions) {
    this.#options = options;
    void this.#run();
  }

  /**
   * Proposes the end of the keys that have expired and whose end is not in the log yet, unless they change hands. Each key
   * is given once. Returns whether there were any.
   */
  end(given: Iterable<string>, wallMs: number): boolean {
    const { primary, keys, guard } = this.#options;
    const changes: Change[] = [];
    for (const key of given) {
      const facts = keys.pendingFacts(key);
      if (facts !== undefined && isPastItsTime(facts, wallMs) && guard.takesWrites(key))
        changes.push(removal("expire", key, facts.seq));
    }
    if (changes.length > 0) primary.log.propose(changes);
    return changes.length > 0;
  }

  /** Ends keys for as long as the primary lives. */
  async #run(): Promise<void> {
    const { primary, clock, tickMs } = this.#options;
    while (!primary.ended.aborted) {
      await sleep(clock, (await this.#endDue()) ? tickMs : fullRetryMs, primary.ended);
    }
  }

  /** Ends all expired keys, some at a time, so that other calls run in between. False on a full disk. */
  async #endDue(): Promise<boolean> {
    const { primary, keys, clock } = this.#options;
    const { log } = primary;
    while (log.state === "serving" && !log.isHeld) {
      const wallMs = clock.wallMs();
      // Continues where the last turn ended, so that every key gets a turn even if keys expire faster than they end.
      const after = this.#lookedTo;
      const due = keys.expired(wallMs, expiredKeysMax, { after });
      this.#lookedTo = due.length < expiredKeysMax ? undefined : due.at(-1);
      try {
        // What has expired but belongs to another group by now stays due. With only such keys there is no commit that would
        // let other calls run before the next turn.
        if (!this.end(due, wallMs)) break;
        await log.committed(keys.last.seq, primary.ended);
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        return error.code !== "exhausted";
      }
    }
    return true;
  }
}
