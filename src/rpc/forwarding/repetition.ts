import { Code, type ConnectError } from "@connectrpc/connect";
import type { ErrorClass } from "../../client/error-classification.ts";

/** Pause before a retry, which gives the topology time to change. */
export const retryMs = 50;

export type CallKind = "read" | "write" | "named write";

/** Whether a router makes a call that has failed once more, at whoever is primary then. */
export function mayRepeat({ code }: ConnectError, { next, applied }: ErrorClass, kind: CallKind): boolean {
  // "No such key" is an answer. And retries would add to the load of an overloaded server.
  if (code === Code.NotFound || code === Code.ResourceExhausted) return false;
  if (next !== "again") return next === "redirect";
  return applied === "no" || kind !== "write";
}
