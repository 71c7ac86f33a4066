import type { CasRegister } from "../metadata/cas-register.ts";
import type { GroupState, Member } from "../metadata/model.ts";
import { OperationError } from "../metadata/operation-error.ts";
import type { InSyncSet } from "./in-sync-set.ts";

export interface LeadershipTransferOptions {
  readonly self: number;
  /** Of the primary that hands over. */
  readonly epoch: number;
  readonly inSync: InSyncSet;
  readonly register: CasRegister<GroupState>;
  /** Resolves when everything that is in the log is committed. */
  readonly settled: (signal: AbortSignal) => Promise<void>;
}

/** How a primary makes another node primary in its place, without a failed request. */
export class LeadershipTransfer {
  readonly #options: LeadershipTransferOptions;
  #running: Promise<unknown> | undefined;

  constructor(options: LeadershipTransferOptions) {
    this.#options = options;
  }

  /** While it is, nothing may be added to the log. */
  get isUnderWay(): boolean {
    return this.#running !== undefined;
  }

  /** Resolves when it is over, however it has ended. Errors: unavailable (`signal` was aborted). */
  async wait(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#running, aborted(signal)]);
    if (signal.aborted)
      throw new OperationError("unavailable", "the call ended while the office was handed over");
  }

  /** Makes an in-sync standby the primary of the next epoch, which is returned. Errors: refused, unavailable. */
  async run(number: number, signal: AbortSignal): Promise<number> {
    const { self, inSync } = this.#options;
    const target = inSync.members.find((member) => member.number === number && number !== self);
    if (target === undefined) {
      const reason = number === self ? "is the primary already" : "is not in sync";
      throw new OperationError("refused", `node ${number} ${reason}`);
    }
    if (this.#running !== undefined)
      throw new OperationError("refused", "the office is being handed over already");
    const transferLeadership = this.#to(target, signal);
    this.#running = transferLeadership.catch(() => {});
    try {
      return await transferLeadership;
    } finally {
      this.#running = undefined;
    }
  }

  async #to(target: Member, signal: AbortSignal): Promise<number> {
    const { inSync, register, settled, epoch } = this.#options;
    try {
      await settled(signal);
      // The wait may have been for this very standby, until it was dropped.
      if (!inSync.has(target)) throw new Error(`node ${target.number} is not in sync any more`);
      const next = { epoch: epoch + 1, primary: target, inSync: inSync.members };
      inSync.observe(await register.compareAndSet(next, inSync.state.version));
      return next.epoch;
    } catch (error) {
      // If it has happened all the same, no write of ours can be committed any more, and the state will tell us.
      throw new OperationError("unavailable", "the office could not be handed over", { cause: error });
    }
  }
}

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
