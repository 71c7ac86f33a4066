/** What is done with a log beside the calls of clients goes on so that these hardly wait for it. */

import { type Clock, sleep } from "../../../common/clock.ts";

/** A step takes a few milliseconds. So calls have most of the time, also of a busy machine. */
const restMs = 10;

/**
 * Bytes written before a sync. More would make the disk busy for long, and with it the appends that are synced beside: with
 * a sync, ext4 writes what is new in all files.
 */
export const unsyncedBytesMax = 1024 * 1024;

/** Waits between two steps. */
export function rest(clock: Clock): Promise<void> {
  return sleep(clock, restMs);
}
