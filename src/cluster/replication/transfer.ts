import { InvariantError } from "../../common/invariant.ts";
import { unlessAborted } from "../../common/unless-aborted.ts";
import type { Member } from "../metadata/model.ts";
import { OperationError, refused } from "../metadata/operation-error.ts";
import type { GroupRegister } from "./group-register.ts";
import { isCurrent, type Term } from "./group-state.ts";
import type { InSyncSet } from "./in-sync-set.ts";

export interface LeadershipTransferOptions {
  /** The term of this primary. */
  readonly term: Term;
  readonly inSync: InSyncSet;
  readonly register: GroupRegister;
  /** Resolves when everything that is in the log is committed. */
  readonly settled: (signal: AbortSignal) => Promise<void>;
}

/**
 * The state of a transfer. `draining`: no more writes are accepted, and the records in the log are being committed.
 * `pending`: the compare-and-set that names the successor is in flight. After that, or after a failure, it is `idle`.
 */
type TransferState =
  | { readonly kind: "idle" }
  | { readonly kind: "draining" | "pending"; readonly to: Member; readonly over: Promise<void> };

const idle: TransferState = { kind: "idle" };

/** Transfers the leadership from a primary to a standby, without a failed request. */
export class LeadershipTransfer {
  readonly #options: LeadershipTransferOptions;
  #state: TransferState = idle;

  constructor(options: LeadershipTransferOptions) {
    this.#options = options;
  }

  /** During a transfer nothing may be added to the log. */
  get isUnderWay(): boolean {
    return this.#state.kind !== "idle";
  }

  /** Resolves when the transfer has ended, successful or not. Errors: unavailable (`signal` was aborted). */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.#state.kind === "idle") return;
    await unlessAborted(this.#state.over, signal).catch((error: unknown) => {
      const message = "the call was cancelled during a leadership transfer";
      throw new OperationError("unavailable", message, { cause: error });
    });
  }

  /** Makes an in-sync standby the primary of the next epoch. Returns that epoch. Errors: refused, unavailable. */
  async run(number: number, signal: AbortSignal): Promise<number> {
    const to = this.#successor(number);
    if (this.#state.kind !== "idle") {
      throw refused("a leadership transfer is under way already");
    }
    const over = Promise.withResolvers<void>();
    this.#state = { kind: "draining", to, over: over.promise };
    try {
      await this.#options.settled(signal);
      this.#state = { kind: "pending", to, over: over.promise };
      return await this.#name(to);
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      // If the change was made all the same, this primary can commit nothing more, and will see the new state.
      throw new OperationError("unavailable", "the leadership transfer has failed", { cause: error });
    } finally {
      this.#state = idle;
      over.resolve();
    }
  }

  #successor(number: number): Member {
    const { term, inSync } = this.#options;
    if (number === term.primary) throw refused(`node ${number} is the primary already`);
    const member = inSync.members.find((other) => other.number === number);
    if (member === undefined) throw refused(`node ${number} is not in sync`);
    return member;
  }

  /** Names the successor in the state. */
  async #name(to: Member): Promise<number> {
    const { term, inSync, register } = this.#options;
    // The standby may have been removed while the transfer waited for it.
    if (!inSync.has(to)) throw new Error(`node ${to.number} is not in sync any more`);
    if (!isCurrent(term, inSync.state.value)) throw new Error("another primary has been named meanwhile");
    const next = await register.change(inSync.state, { kind: "transfer", by: term, to });
    inSync.observe(next);
    return next.value.epoch;
  }
}
