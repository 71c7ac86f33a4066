import { type Clock, sleep } from "../../../common/clock.ts";

/** A step takes a few milliseconds. So calls have most of the time, also of a busy machine. */
const restMs = 10;

/** Waits between two steps of what is done beside calls. */
export function rest(clock: Clock): Promise<void> {
  return sleep(clock, restMs);
}
