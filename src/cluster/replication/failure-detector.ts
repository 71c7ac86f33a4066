import type { Clock } from "../../common/clock.ts";

export interface FailureDetectorOptions {
  readonly clock: Clock;
  /** Time between looks. */
  readonly tickMs: number;
  readonly silenceMs: number;
  /** The epoch of the primary that this node should hear of now; undefined when it should hear of none. */
  readonly awaited: () => number | undefined;
  /** When that primary was last heard of, monotonic. */
  readonly heardMs: () => number;
  /** Tells of the silence; whether somebody else is primary now. */
  readonly report: (epoch: number) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** Notices that a primary has fallen silent, and tells of it. */
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
    // A new primary has its chance from here on; and after a pause of this process it is our ears that were closed.
    if (epoch !== this.#epoch || nowMs - this.#lookedMs > 2 * tickMs) this.#sinceMs = nowMs;
    this.#epoch = epoch;
    this.#lookedMs = nowMs;
    const silent = nowMs - Math.max(heardMs(), this.#sinceMs) >= silenceMs;
    if (epoch === undefined || !silent) this.#next();
    else void this.#report(epoch).then(() => this.#next());
  }

  async #report(epoch: number): Promise<void> {
    this.#reported = epoch;
    // A primary that is replaced stays unanswered: the state will say so soon.
    const replaced = await this.#options.report(epoch).catch(() => false);
    if (!replaced) this.#reported = undefined;
  }
}
