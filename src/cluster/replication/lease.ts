import type { Clock } from "../../common/clock.ts";
import { OperationError } from "../metadata/operation-error.ts";
import type { ReplicationSettings } from "./settings.ts";

/** A moment on both clocks. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function momentOf(clock: Clock): Moment {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
}

export interface LeaseOptions {
  readonly clock: Clock;
  readonly settings: ReplicationSettings;
  /** For each member that could be promoted: when the last message that it has answered was sent. */
  readonly sent: () => readonly (Moment | undefined)[];
  /** Sends a heartbeat to those members. */
  readonly ask: () => void;
  /** Throws unless this primary accepts calls. */
  readonly check: () => void;
}

/** The right of a primary to answer reads without asking other nodes. */
export class Lease {
  readonly #options: LeaseOptions;
  /** Rings when it may hold again. */
  readonly #answered = new Alarm();

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Call it when a standby has answered, when other members are required, and when this primary has ended. */
  renew(): void {
    this.#answered.ring();
  }

  /** Whether no other node can have become primary and be serving now. */
  get holds(): boolean {
    const { clock, settings, sent } = this.#options;
    const now = momentOf(clock);
    return sent().every((moment) => {
      if (moment === undefined || now.monotonicMs - moment.monotonicMs >= settings.leaseMs) return false;
      // If the whole machine was suspended, its monotonic clock may have stopped. Then the wall clock has jumped.
      return Math.abs(now.wallMs - moment.wallMs) < settings.leaseMs;
    });
  }

  /**
   * Resolves in a turn in which certainly no other node serves the group, so a read of what is committed here is
   * linearizable. Waits at most until silent members would have been removed. Errors: unavailable.
   */
  async readBarrier(signal: AbortSignal): Promise<void> {
    const { clock, settings, ask, check } = this.#options;
    check();
    if (this.holds) return;
    const deadlineMs = clock.monotonicMs() + 2 * settings.standbyTimeoutMs;
    ask();
    while (!this.holds) {
      check();
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0 || signal.aborted) {
        throw new OperationError(
          "unavailable",
          "the lease of the primary has run out: a standby does not answer",
        );
      }
      await this.#answered.wait(clock, leftMs, signal);
    }
    check();
  }
}

/** Any number of calls can wait until it rings. */
class Alarm {
  readonly #sleepers = new Set<() => void>();

  /** Resolves when it rings, after `timeoutMs`, or when `signal` is aborted. */
  wait(clock: Clock, timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        this.#sleepers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const cancel = clock.timer(timeoutMs, wake);
      signal.addEventListener("abort", wake, { once: true });
      this.#sleepers.add(wake);
    });
  }

  ring(): void {
    for (const wake of [...this.#sleepers]) wake();
  }
}
