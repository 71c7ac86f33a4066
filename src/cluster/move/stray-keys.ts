import { sleep } from "../../common/clock.ts";
import { OperationError } from "../metadata/operation-error.ts";
import { placementOf } from "../ring/placement.ts";
import { LogStoreError } from "../storage/errors.ts";
import { forgetKeys, mayHaveStrays } from "./forget-keys.ts";
import type { MoveOptions } from "./options.ts";

/** Pause before the keys are gone through again after the log took no more records. */
const retryMs = 1000;

/**
 * Removes what moves have left: keys that have gone to another group, and copies of a move that was given up. Runs in the
 * background while this node is the primary, and goes through all keys once for each change of the ring.
 */
export class StrayKeys {
  readonly #options: MoveOptions;
  /** Version of the ring under which no strays are left. */
  #cleanVersion = 0;

  constructor(options: MoveOptions) {
    this.#options = options;
    void this.#run();
  }

  async #run(): Promise<void> {
    const { primary, store, topology, clock, log } = this.#options;
    const { ended } = primary;
    while (!ended.aborted) {
      const seen = await topology
        .waitUntil(({ ring }) => (ring?.value.version ?? 0) > this.#cleanVersion, ended)
        .catch(() => undefined);
      if (seen?.ring === undefined) return;
      const { version } = seen.ring.value;
      try {
        // Copies that are not committed yet do not show.
        await primary.log.settled(ended);
        const count = mayHaveStrays(store) ? await this.#forget() : 0;
        if (count > 0) log(`${count} keys that belong to other groups have been removed from this log`);
        this.#cleanVersion = version;
      } catch (error) {
        if (ended.aborted) return;
        // There may be too many readers of the log, for example.
        if (!(error instanceof OperationError || error instanceof LogStoreError)) throw error;
        await sleep(clock, retryMs, ended);
      }
    }
  }

  #forget(): Promise<number> {
    const { primary } = this.#options;
    return forgetKeys({ ...this.#options, isForgotten: (key) => this.#isStray(key), signal: primary.ended });
  }

  #isStray(key: string): boolean {
    const { group, store, topology } = this.#options;
    const ring = topology.current?.ring?.value;
    // An older view of the ring, or one of the time before the first write, says nothing about the keys of now.
    if (ring === undefined || !ring.written || ring.version < store.moves.change) return false;
    const placement = placementOf(ring);
    return placement.owner(key) !== group && placement.moveOf(key)?.to !== group;
  }
}
