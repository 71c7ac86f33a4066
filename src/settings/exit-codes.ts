/** The exit codes. No other file contains one as a number. */

/** The key, group or node does not exist; or `log verify` found a damaged log file. */
export const NOT_FOUND = 1;
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
  [NOT_FOUND, "there is no such key, group or node; `kvlab log`: the log is damaged"],
  [NOT_ALLOWED, "wrong usage: a word, file or line that cannot be right, a key or value that is too long"],
  [
    UNAVAILABLE,
    "unavailable, and nothing was done: no router answers, or the group does not; `kvlab status`: a group is down",
  ],
  [REFUSED, "refused by a condition, or because the servers do not do this"],
  [OUTCOME_UNKNOWN, "a write may or may not have been applied"],
  [BROKE_OFF, "broke off: what has been printed, or put by an import, stands, and the rest is missing"],
  [OUTPUT_FAILED, "done, but the output could not be written"],
  [HISTORY_LOST, "the history that a watch needs is gone"],
  [UNFORESEEN, "a fault of the program"],
  [INTERRUPTED, "ended by Ctrl-C before it was done"],
  [NOT_READ, "nobody reads the output any more, as when `| head` has enough"],
];
