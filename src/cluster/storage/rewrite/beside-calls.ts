/** What is done with a log beside the calls of clients goes on so that these hardly wait for it. */

import { type Clock, sleep } from "../../../common/clock.ts";

/**
 * A rest is so many times as long as the step before it took. A step takes a few milliseconds; where something else keeps
 * the processor or the disk busy it takes longer, and then so does the rest.
 *
 * While records are appended, all replicas of a group compact about the same log at about the same time, and each append
 * waits for all of them. A processor that is used for 70 % has a third of that to give before calls wait twice as long.
 */
const restsBesideAppends = 9;
const restsAlone = 3;

/** A step that took longer has waited for something that a rest does not help. */
const restMsMax = 100;

/**
 * Bytes written before a sync. More would make the disk busy for long, and with it the appends that are synced beside: with
 * a sync, ext4 writes what is new in all files.
 */
export const unsyncedBytesMax = 256 * 1024;

/** What the pace depends on: of an open log. */
export interface Paced {
  readonly options: { readonly clock: Clock };
  readonly positions: { readonly last: { readonly seq: number } };
}

/** Begins with a step. Returns what waits between two steps. */
export function pace({ options: { clock }, positions }: Paced): () => Promise<void> {
  let begunMs = clock.monotonicMs();
  let { seq } = positions.last;
  return async () => {
    const stepMs = clock.monotonicMs() - begunMs;
    const rests = positions.last.seq === seq ? restsAlone : restsBesideAppends;
    ({ seq } = positions.last);
    await sleep(clock, Math.min(restMsMax, Math.max(1, rests * stepMs)));
    begunMs = clock.monotonicMs();
  };
}
