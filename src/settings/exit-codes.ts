/** The exit codes. No other file contains one as a number. */

/** The key, group or node does not exist; or `log verify` found a damaged log file. */
export const NOT_FOUND = 1;
/** A server cannot continue, or could not start. */
export const SERVER_FAILED = 1;
export const NOT_ALLOWED = 2;
/** Nothing was done. */
export const UNAVAILABLE = 3;
export const REFUSED = 4;
export const OUTCOME_UNKNOWN = 5;
/** What was done before the failure stays. */
export const BROKE_OFF = 6;
export const OUTPUT_FAILED = 7;
export const HISTORY_LOST = 8;
/** EX_SOFTWARE of sysexits.h. */
export const UNFORESEEN = 70;
/** 128 + SIGINT, as shells have it. */
export const INTERRUPTED = 130;
/** 128 + SIGPIPE, as shells report programs that this signal ended. The runtimes ignore the signal. */
export const NOT_READ = 141;

/** The meanings of the exit codes of `kvlab`, for its help and the README. */
export const exitCodeTable: readonly (readonly [number, string])[] = [
  [0, "done"],
  [NOT_FOUND, "the key, group or node does not exist; `kvlab log`: the log is damaged"],
  [NOT_ALLOWED, "wrong usage: an argument, file or line is not allowed, or a key or value is too long"],
  [
    UNAVAILABLE,
    "unavailable, and nothing was done: no router answers, or the group is down; `kvlab status`: a group is down",
  ],
  [REFUSED, "refused by a condition, or because the servers do not do this"],
  [OUTCOME_UNKNOWN, "a write may or may not have been applied"],
  [
    BROKE_OFF,
    "stopped before the end: what was printed or imported until then is valid, and the rest is missing",
  ],
  [OUTPUT_FAILED, "done, but the output could not be written"],
  [HISTORY_LOST, "the history that a watch needs is gone"],
  [UNFORESEEN, "an unexpected error of the program"],
  [INTERRUPTED, "stopped by Ctrl-C before the end"],
  [NOT_READ, "the reader of the output has gone, as when `| head` has enough"],
];
