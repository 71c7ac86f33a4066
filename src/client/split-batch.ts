import type { WatchResponse } from "../../gen/kvlab/v1/data_pb.ts";

/**
 * Removes duplicate events of a watch. A batch too large for one message comes in several; when the stream breaks
 * between them, the server sends the batch again from its beginning.
 */
export class SplitBatch {
  /** The revision of a batch of which only some events have come, and their number. */
  #revision = 0n;
  #count = 0;
  /** How many of them will come again. */
  #known = 0;

  /** Notes that the stream restarts after the last complete revision. */
  restart(): void {
    this.#known = this.#count;
  }

  /** The answer without the events that came before. */
  withoutDuplicates(answer: WatchResponse): WatchResponse {
    let skipped = 0;
    while (skipped < this.#known && answer.events[skipped]?.revision === this.#revision) skipped++;
    const events = answer.events.slice(skipped);
    // If something else comes instead of the rest, it is another history, and none of it came before.
    this.#known = events.length > 0 ? 0 : this.#known - skipped;
    if (answer.revision >= this.#revision) this.#count = 0;
    const last = events.at(-1)?.revision ?? 0n;
    if (last > answer.revision) {
      const more = events.filter((event) => event.revision === last).length;
      this.#count = last === this.#revision ? this.#count + more : more;
      this.#revision = last;
    }
    return { ...answer, events };
  }
}
