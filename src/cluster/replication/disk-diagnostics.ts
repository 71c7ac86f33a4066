import { OperationError } from "../metadata/operation-error.ts";
import { LogStoreError } from "../storage/errors.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import type { ReplicationSettings } from "./settings.ts";

/** Pause before what has found no room is tried again: somebody is waiting for it, and it costs a write. */
export const fullRetryMs = 500;

/** Whether a store had no room for something, so that nothing of it has happened. */
export function isFull(error: unknown): error is LogStoreError {
  return error instanceof LogStoreError && error.code === "full";
}

/** What the writers of withdrawn records are told. */
export function refusedFor(reason: Error): OperationError {
  const said = reason.cause instanceof Error ? reason.cause.message : reason.message;
  return new OperationError("exhausted", `the disk of the group's primary is full: ${said}`, {
    cause: reason,
  });
}

/** What keeps the disk of a store from taking writes; undefined when nothing does, as far as is known. */
export function diskProblem(
  { full, stalledMs }: Pick<ReplicaLog, "full" | "stalledMs">,
  { standbyTimeoutMs }: ReplicationSettings,
): string | undefined {
  if (stalledMs >= standbyTimeoutMs)
    return `its disk has not answered for ${(stalledMs / 1000).toFixed(1)} s`;
  return full === undefined ? undefined : `its disk is full (${full})`;
}
