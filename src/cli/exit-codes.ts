/** Exit codes of `kvlab`, beside 0 (done) and 2 (wrong usage). */

/** There is no such key; a log file is damaged; the history that a watch needs is gone. */
export const NOT_FOUND = 1;
export const NOT_ALLOWED = 2;
/** Nothing was done. */
export const UNAVAILABLE = 3;
/** A condition refused it. */
export const REFUSED = 4;
/** A write may or may not have been applied. */
export const OUTCOME_UNKNOWN = 5;
/** Ended by Ctrl-C before it was done: 128 + SIGINT, as shells have it. */
export const INTERRUPTED = 130;
