import { ConnectError } from "@connectrpc/connect";
import { KvError } from "../client/index.ts";
import {
  BROKE_OFF,
  HISTORY_LOST,
  INTERRUPTED,
  NOT_ALLOWED,
  OUTCOME_UNKNOWN,
  REFUSED,
  UNAVAILABLE,
  UNFORESEEN,
} from "../settings/exit-codes.ts";
import { ExitError } from "../settings/run-main.ts";
import { countedAre } from "./plural.ts";

/** The result of a call to the client. An error says what happened to `what`, e.g. `put "a"`. Errors: ExitError. */
export async function told<T>(what: string, kind: "read" | "write", call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (reason) {
    throw keyFailure(what, kind, reason);
  }
}

/**
 * The error of a long-running command. `items` is what it counts, e.g. "key"; `participle` says what was done with
 * them.
 */
export function brokenOff(reason: unknown, count: number, item: string, participle: string): unknown {
  if (count === 0 || !(reason instanceof ExitError)) return reason;
  const message = `${reason.message}; ${countedAre(count, item)} ${participle} already`;
  return new ExitError(codeAfter(count, reason.exitCode), message, { cause: reason });
}

/** The exit code of a command that failed after some of its items. "Nothing was done" no longer applies then. */
export function codeAfter(count: number, exitCode: number): number {
  return count > 0 && exitCode === UNAVAILABLE ? BROKE_OFF : exitCode;
}

/** The error of a program whose call to the client has failed. Errors that are not the client's stay as they are. */
export function keyFailure(what: string, kind: "read" | "write", reason: unknown): unknown {
  if (!(reason instanceof KvError)) return reason;
  const [exitCode, headline, advice] = judge(reason, kind);
  const message = `${what}: ${headline} (${reasonOf(reason)})`;
  return new ExitError(exitCode, advice === undefined ? message : `${message}; ${advice}`, { cause: reason });
}

/** Exit code, what happened, and what to check or do. */
function judge({ code }: KvError, kind: "read" | "write"): [number, string, string?] {
  switch (code) {
    case "invalid":
      return [NOT_ALLOWED, "not allowed"];
    case "condition-failed":
    case "refused":
      return [REFUSED, "refused"];
    case "outcome-unknown":
      return [OUTCOME_UNKNOWN, "may or may not have been applied", "read the key before you write it again"];
    case "history-lost":
      return [
        HISTORY_LOST,
        "the history that this needs is gone",
        "scan the keys anew, and watch from there",
      ];
    case "aborted":
    case "closed":
      return [
        INTERRUPTED,
        kind === "write" ? "interrupted, may or may not have been applied" : "interrupted",
      ];
    case "internal":
      return [UNFORESEEN, kind === "write" ? "failed, may or may not have been applied" : "failed"];
    case "unavailable":
    case "deadline":
    case "exhausted":
      return [
        UNAVAILABLE,
        kind === "write" ? "unavailable, not applied" : "unavailable",
        "`kvlab status` shows how the groups are, --router names another router",
      ];
  }
}

function reasonOf(error: KvError): string {
  // The message already explains what an unknown outcome is.
  if (error.code !== "outcome-unknown" || !(error.cause instanceof Error)) return error.message;
  return error.cause instanceof ConnectError ? error.cause.rawMessage : error.cause.message;
}

/** A key for an error message of one line. */
export function quoted(key: string): string {
  return JSON.stringify(key.length > 100 ? `${key.slice(0, 100)}…` : key);
}
