import type { Clock } from "../../common/clock.ts";

export interface DiskMonitorOptions {
  readonly clock: Clock;
  /** Time between calls of `look`. */
  readonly tickMs: number;
  /** How long the disk of a primary may be stuck. */
  readonly limitMs: number;
  /** How long it has been stuck; 0 while this node is not the primary. */
  readonly stuckMs: () => number;
  /** Whether this node serves as primary. */
  readonly serves: () => boolean;
  /** Makes another node primary. Returns whether it has. */
  readonly passOn: () => Promise<boolean>;
}

/** The limit is doubled so often at most: to a minute, with the default. */
const doublingsMax = 6;

/** Notices that this node cannot work as primary because of its disk, and makes another node primary. */
export class DiskMonitor {
  readonly #options: DiskMonitorOptions;
  #lookedMs: number;
  /** The disk counts as stuck from here at the earliest. */
  #sinceMs: number;
  /**
   * How often leadership was passed on since this node last served. If no disk of a group works, it goes round, more and
   * more slowly.
   */
  #passed = 0;
  #isPassingOn = false;

  constructor(options: DiskMonitorOptions) {
    this.#options = options;
    this.#lookedMs = options.clock.monotonicMs();
    this.#sinceMs = this.#lookedMs;
  }

  /** Looks whether it is so now. */
  look(): void {
    if (this.#isPassingOn) return;
    const { clock, tickMs, limitMs, stuckMs, serves } = this.#options;
    const nowMs = clock.monotonicMs();
    // After a pause of this process the disk is not to blame.
    if (nowMs - this.#lookedMs > 2 * tickMs) this.#sinceMs = nowMs;
    this.#lookedMs = nowMs;
    const stuck = Math.min(stuckMs(), nowMs - this.#sinceMs);
    if (stuck === 0 && serves()) this.#passed = 0;
    if (stuck < limitMs * 2 ** Math.min(this.#passed, doublingsMax)) return;
    void this.#passOn();
  }

  async #passOn(): Promise<void> {
    const { clock, passOn } = this.#options;
    this.#isPassingOn = true;
    if (await passOn().catch(() => false)) this.#passed++;
    this.#isPassingOn = false;
    this.#lookedMs = clock.monotonicMs();
  }
}
