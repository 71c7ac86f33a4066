import { OperationError } from "../metadata/operation-error.ts";
import { LogStoreError } from "../storage/errors.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import type { ReplicationSettings } from "./settings.ts";

/** Pause before a write without room is tried again: somebody waits for it, and each attempt costs a write. */
export const fullRetryMs = 500;

/** Whether a store had no room for a write, of which nothing has happened then. */
export function isFull(error: unknown): error is LogStoreError {
  return error instanceof LogStoreError && error.code === "full";
}

/** The error for the writers of withdrawn records. */
export function refusedFor(reason: Error): OperationError {
  const said = reason.cause instanceof Error ? reason.cause.message : reason.message;
  return new OperationError("exhausted", `the disk of the group's primary is full: ${said}`, {
    cause: reason,
  });
}

/** Why the disk of a store takes no writes; undefined when it does, as far as is known. */
export function diskProblem(
  { full, stalledMs }: Pick<ReplicaLog, "full" | "stalledMs">,
  { standbyTimeoutMs }: ReplicationSettings,
): string | undefined {
  if (stalledMs >= standbyTimeoutMs)
    return `its disk has not answered for ${(stalledMs / 1000).toFixed(1)} s`;
  return full === undefined ? undefined : `its disk is full (${full})`;
}
