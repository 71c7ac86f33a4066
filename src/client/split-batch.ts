import type { WatchResponse } from "../../gen/kvlab/v1/data_pb.ts";

/**
 * Removes duplicate events of a watch. A batch too large for one message comes in several; when the stream breaks
 * between them, the server sends the batch again from its beginning.
 */
export class SplitBatch {
  /** The batch of which some events have come, and how many. */
  #revision = 0n;
  #count = 0;
  /** How many of them are to come again. */
  #known = 0;

  /** The stream starts again after the last revision that was complete. */
  restart(): void {
    this.#known = this.#count;
  }

  /** The answer without events that have come before. */
  withoutDuplicates(answer: WatchResponse): WatchResponse {
    let skipped = 0;
    while (skipped < this.#known && answer.events[skipped]?.revision === this.#revision) skipped++;
    const events = answer.events.slice(skipped);
    // What comes instead of the rest is another history, of which nothing is known.
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
