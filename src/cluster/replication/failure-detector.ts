import type { Clock } from "../../common/clock.ts";

export interface FailureDetectorOptions {
  readonly clock: Clock;
  /** How often to check. */
  readonly tickMs: number;
  readonly silenceMs: number;
  /** The epoch of the primary that this node should hear from now. Undefined when there is none. */
  readonly awaited: () => number | undefined;
  /** When the last message of that primary came, monotonic. */
  readonly heardMs: () => number;
  /** Reports the silence. Returns whether the primary was replaced. */
  readonly report: (epoch: number) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** Notices and reports that a primary has fallen silent. */
export class FailureDetector {
  readonly #options: FailureDetectorOptions;
  #lookedMs: number;
  /** Silence counts from here at the earliest. */
  #sinceMs: number;
  #epoch: number | undefined;
  #reported: number | undefined;

  constructor(options: FailureDetectorOptions) {
    this.#options = options;
    this.#lookedMs = options.clock.monotonicMs();
    this.#sinceMs = this.#lookedMs;
    this.#next();
  }

  /** The epoch whose primary this node has reported, and must not answer until the report is settled. */
  get reported(): number | undefined {
    return this.#reported;
  }

  #next(): void {
    const { clock, tickMs, signal } = this.#options;
    if (!signal.aborted) clock.timer(tickMs, () => this.#look());
  }

  #look(): void {
    const { clock, tickMs, silenceMs, awaited, heardMs } = this.#options;
    const nowMs = clock.monotonicMs();
    const epoch = awaited();
    // A new primary gets the full time. So does any primary after a pause of this process, which could hear nothing then.
    if (epoch !== this.#epoch || nowMs - this.#lookedMs > 2 * tickMs) this.#sinceMs = nowMs;
    this.#epoch = epoch;
    this.#lookedMs = nowMs;
    const silent = nowMs - Math.max(heardMs(), this.#sinceMs) >= silenceMs;
    if (epoch === undefined || !silent) this.#next();
    else void this.#report(epoch).then(() => this.#next());
  }

  async #report(epoch: number): Promise<void> {
    this.#reported = epoch;
    // A replaced primary gets no more answers. The new state will come soon.
    const replaced = await this.#options.report(epoch).catch(() => false);
    if (!replaced) this.#reported = undefined;
  }
}
