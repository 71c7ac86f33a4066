import { ZooKeeperError } from "../../errors.ts";
import type { CallOptions } from "../../options.ts";
import type { Claim } from "./claim.ts";
import type { Entry } from "./entries.ts";

/** An item that is claimed until it is done or released, or the session ends. */
export class QueueItem {
  readonly data: Uint8Array;
  /** From 0, the first, to 999. */
  readonly priority: number;
  /** The name of its znode, by which it is known when it is handled again. */
  readonly name: string;
  /**
   * Aborted as soon as the connection is lost: from then on somebody else may get the item. When the connection comes back
   * in time, the item can be done all the same. See `ZooKeeper.connectedSignal`.
   */
  readonly signal: AbortSignal;
  readonly #claim: Claim;
  #isReleased = false;

  constructor(claim: Claim, { name, priority }: Entry, data: Uint8Array, signal: AbortSignal) {
    this.#claim = claim;
    this.name = name;
    this.priority = priority;
    this.data = data;
    this.signal = signal;
  }

  /**
   * Removes the item for good. The options hold for each attempt; one follows when an answer was lost. Errors: those of
   * all calls, after which the item may be handled again; NO_NODE, when an operator has deleted the claim; BAD_ARGUMENTS,
   * after `release`.
   */
  async done(options?: CallOptions): Promise<void> {
    if (this.#isReleased) {
      throw new ZooKeeperError("BAD_ARGUMENTS", `done: the item ${this.name} was released before`);
    }
    await this.#claim.complete(options);
  }

  /** Gives the item back for others to take. Does nothing when it is done, or not claimed any more. */
  async release(options?: CallOptions): Promise<void> {
    this.#isReleased = true;
    await this.#claim.release(options);
  }
}
