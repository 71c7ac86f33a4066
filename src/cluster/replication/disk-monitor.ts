import type { Clock } from "../../common/clock.ts";

export interface DiskMonitorOptions {
  readonly clock: Clock;
  /** Time between looks. */
  readonly tickMs: number;
  /** How long the disk of a primary may hold everything up. */
  readonly limitMs: number;
  /** For how long it has done so; 0 while this node is not the primary. */
  readonly stuckMs: () => number;
  /** Whether this node serves as primary. */
  readonly serves: () => boolean;
  /** Makes another node primary; whether it has. */
  readonly passOn: () => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** Times that the limit is doubled at most: a minute, with the default. */
const doublingsMax = 6;

/** Notices that the disk of this node keeps it from being of use as primary, and has another one take its place. */
export class DiskMonitor {
  readonly #options: DiskMonitorOptions;
  #lookedMs: number;
  /** The disk counts as stuck from here at the earliest. */
  #sinceMs: number;
  /**
   * Times that the place was passed on since this node last served. Where no disk of a group works it goes round, more
   * and more slowly.
   */
  #passed = 0;

  constructor(options: DiskMonitorOptions) {
    this.#options = options;
    this.#lookedMs = options.clock.monotonicMs();
    this.#sinceMs = this.#lookedMs;
    this.#next();
  }

  #next(): void {
    const { clock, tickMs, signal } = this.#options;
    if (!signal.aborted) clock.timer(tickMs, () => void this.#look().then(() => this.#next()));
  }

  async #look(): Promise<void> {
    const { clock, tickMs, limitMs, stuckMs, serves, passOn } = this.#options;
    const nowMs = clock.monotonicMs();
    // After a pause of this process it is not the disk that has done nothing.
    if (nowMs - this.#lookedMs > 2 * tickMs) this.#sinceMs = nowMs;
    this.#lookedMs = nowMs;
    const stuck = Math.min(stuckMs(), nowMs - this.#sinceMs);
    if (stuck === 0 && serves()) this.#passed = 0;
    if (stuck < limitMs * 2 ** Math.min(this.#passed, doublingsMax)) return;
    if (await passOn().catch(() => false)) this.#passed++;
    this.#lookedMs = clock.monotonicMs();
  }
}
