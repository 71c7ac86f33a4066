import type { Clock } from "../../common/clock.ts";

export interface FailureDetectorOptions {
  readonly clock: Clock;
  /** Time between calls of `look`. */
  readonly tickMs: number;
  readonly silenceMs: number;
  /** How long a primary whose connection broke may take to come back before it counts as silent. */
  readonly brokenMs: number;
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
  /** When the connection of this epoch's primary broke. Undefined while it has one, or never had. */
  #broken: { readonly epoch: number; readonly sinceMs: number } | undefined;
  #reported: number | undefined;
  #isReporting = false;

  constructor(options: FailureDetectorOptions) {
    this.#options = options;
    this.#lookedMs = options.clock.monotonicMs();
    this.#sinceMs = this.#lookedMs;
  }

  /** The epoch whose primary this node has reported, and must not answer until the report is settled. */
  get reported(): number | undefined {
    return this.#reported;
  }

  /** The last connection over which the primary of this epoch has sent messages has ended. */
  broke(epoch: number): void {
    const { clock, brokenMs, signal } = this.#options;
    this.#broken = { epoch, sinceMs: clock.monotonicMs() };
    clock.timer(brokenMs, () => {
      if (!signal.aborted) this.look();
    });
  }

  /** The primary of this epoch has sent a message over a new connection. */
  connected(epoch: number): void {
    if (this.#broken !== undefined && this.#broken.epoch <= epoch) this.#broken = undefined;
  }

  /** Looks whether the primary is silent now. */
  look(): void {
    if (this.#isReporting) return;
    const { clock, tickMs, awaited } = this.#options;
    const nowMs = clock.monotonicMs();
    const epoch = awaited();
    // A new primary gets the full time. So does any primary after a pause of this process, which could hear nothing then.
    if (epoch !== this.#epoch || nowMs - this.#lookedMs > 2 * tickMs) this.#sinceMs = nowMs;
    this.#epoch = epoch;
    this.#lookedMs = nowMs;
    if (epoch !== undefined && this.#isSilent(epoch, nowMs)) void this.#report(epoch);
  }

  #isSilent(epoch: number, nowMs: number): boolean {
    const { silenceMs, brokenMs, heardMs } = this.#options;
    if (nowMs - Math.max(heardMs(), this.#sinceMs) >= silenceMs) return true;
    const broken = this.#broken?.epoch === epoch ? this.#broken : undefined;
    return broken !== undefined && nowMs - Math.max(broken.sinceMs, this.#sinceMs) >= brokenMs;
  }

  async #report(epoch: number): Promise<void> {
    this.#isReporting = true;
    this.#reported = epoch;
    // A replaced primary gets no more answers. The new state will come soon.
    const replaced = await this.#options.report(epoch).catch(() => false);
    if (!replaced) this.#reported = undefined;
    this.#isReporting = false;
  }
}
