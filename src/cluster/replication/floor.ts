import type { Clock } from "../../common/clock.ts";
import { InvariantError, invariant } from "../../common/invariant.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import type { GroupLogs } from "../metadata/model.ts";
import { comparePositions } from "../storage/format/history.ts";
import type { Position } from "../storage/model.ts";

/** How often the floor is raised during writes. An older copy of a log is noticed if it is older than this. */
const raiseMs = 2000;

export interface FloorOptions {
  readonly register: CasRegister<GroupLogs>;
  readonly clock: Clock;
  /** The last committed record of the primary's own epoch. Undefined before there is one. */
  readonly committed: () => Position | undefined;
  /** Called when an invariant is broken: nothing may be acknowledged any more. */
  readonly onFailure: (error: unknown) => void;
}

/** Keeps the floor of a group's logs close below the commit position, until its primary ends. */
export class Floor {
  readonly #options: FloorOptions;
  #raised: Position = { epoch: 0, seq: 0 };
  #raisedMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(options: FloorOptions) {
    this.#options = options;
  }

  /** Raises the floor if it is time. At the first write after a pause it is. */
  tick(): void {
    const { register, clock, onFailure } = this.#options;
    if (!register.connected || !this.#isBehind()) return;
    if (clock.monotonicMs() - this.#raisedMs < raiseMs) return;
    this.raise().catch((error) => {
      // After other errors the next tick retries.
      if (error instanceof InvariantError) onFailure(error);
    });
  }

  /** Makes the next tick raise the floor, because the in-sync set has changed. */
  hurry(): void {
    this.#raisedMs = Number.NEGATIVE_INFINITY;
  }

  /** Raises the floor to the commit position. Rejects as the register does. */
  raise(): Promise<void> {
    this.#running ??= this.#raise().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #raise(): Promise<void> {
    if (!this.#isBehind()) return;
    const { register, clock, committed } = this.#options;
    this.#raisedMs = clock.monotonicMs();
    const found = await register.read();
    const floor = committed();
    if (found === undefined || floor === undefined) return;
    invariant(comparePositions(floor, this.#raised) >= 0, "what is committed has become less");
    // A later primary may already have raised it further.
    if (comparePositions(floor, found.value.floor) > 0) {
      await register.compareAndSet({ ...found.value, floor }, found.version);
    }
    this.#raised = floor;
  }

  #isBehind(): boolean {
    const committed = this.#options.committed();
    return committed !== undefined && comparePositions(committed, this.#raised) > 0;
  }
}
