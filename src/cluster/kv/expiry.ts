import { type Clock, sleep } from "../../common/clock.ts";
import { OperationError } from "../metadata/operation-error.ts";
import { fullRetryMs } from "../replication/disk-diagnostics.ts";
import type { Primary } from "../replication/primary.ts";
import type { KeyView } from "../storage/key-view.ts";
import type { Change } from "../storage/model.ts";
import { isPastItsTime, removal } from "./write-plan.ts";

/** Keys that one record ends when their time is over: so no record gets large and no turn long. */
export const expiredKeysMax = 1000;

export interface ExpiryOptions {
  readonly primary: Pick<Primary, "log" | "ended">;
  readonly keys: KeyView;
  readonly clock: Clock;
  /** Time between two looks for keys whose time is over. */
  readonly tickMs: number;
}

/**
 * Ends keys whose time is over. A key is gone only with a record that says so: otherwise another primary, whose clock is
 * behind, would show it again.
 */
export class Expiry {
  readonly #options: ExpiryOptions;
  /** The last key that was looked at; undefined: the next turn begins with the first key. */
  #lookedTo: string | undefined;

  constructor(options: ExpiryOptions) {
    this.#options = options;
    void this.#run();
  }

  /** Proposes the end of those keys, each named once, whose time is over and whose end is not in the log already. */
  end(given: Iterable<string>, wallMs: number): void {
    const { primary, keys } = this.#options;
    const changes: Change[] = [];
    for (const key of given) {
      const facts = keys.pendingFacts(key);
      if (facts !== undefined && isPastItsTime(facts, wallMs))
        changes.push(removal("expire", key, facts.revision));
    }
    if (changes.length > 0) primary.log.propose(changes);
  }

  /** Ends keys for as long as the primary lives. */
  async #run(): Promise<void> {
    const { primary, clock, tickMs } = this.#options;
    while (!primary.ended.aborted) {
      await sleep(clock, (await this.#endDue()) ? tickMs : fullRetryMs, primary.ended);
    }
  }

  /** Ends all keys that are due, some at a time: others get their turn between two records. False on a full disk. */
  async #endDue(): Promise<boolean> {
    const { primary, keys, clock } = this.#options;
    const { log } = primary;
    while (log.state === "serving" && !log.isHeld) {
      const wallMs = clock.wallMs();
      // From where the last turn ended, so that all keys have their turn where they expire faster than they can be ended.
      const after = this.#lookedTo;
      const due = keys.expired(wallMs, expiredKeysMax, { after });
      this.#lookedTo = due.length < expiredKeysMax ? undefined : due.at(-1);
      if (due.length === 0 && after === undefined) break;
      try {
        this.end(due, wallMs);
        await log.committed(keys.last.seq, primary.ended);
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        return error.code !== "exhausted";
      }
    }
    return true;
  }
}
