import type { WatchResponse } from "../../gen/kvlab/v1/data_pb.ts";

/** Sees to it that no event is told twice when a watch begins anew in the middle of a batch that comes in parts. */
export interface ToldInPart {
  /** The stream begins anew: the server tells a batch that was told in part from its beginning. */
  beginAnew(): void;
  /** The answer without the events that are known. */
  fresh(answer: WatchResponse): WatchResponse;
}

export function createToldInPart(): ToldInPart {
  /** The batch of which some events have come, and how many. */
  let revision = 0n;
  let count = 0;
  /** How many of them are to come once more. */
  let known = 0;
  return {
    beginAnew() {
      known = count;
    },
    fresh(answer) {
      let skipped = 0;
      while (skipped < known && answer.events[skipped]?.revision === revision) skipped++;
      const events = answer.events.slice(skipped);
      // What comes instead of the rest is another history, of which nothing is known.
      known = events.length > 0 ? 0 : known - skipped;
      if (answer.revision >= revision) count = 0;
      const last = events.at(-1)?.revision ?? 0n;
      if (last > answer.revision) {
        const more = events.filter((event) => event.revision === last).length;
        count = last === revision ? count + more : more;
        revision = last;
      }
      return { ...answer, events };
    },
  };
}
