import { Code, ConnectError } from "@connectrpc/connect";
import { ConditionFailedSchema, RequestForgottenSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import type { RequestId } from "../../../src/cluster/kv/write-plan.ts";
import { isNotApplied } from "../../../src/rpc/errors.ts";
import type { StoreOperation } from "../../checker/store-model.ts";
import { LinkError } from "../world/network.ts";
import type { Services } from "../world/services.ts";
import { type Errand, toWrites } from "./errands.ts";

const largeBytes = 200_000;

/** Makes one attempt, and returns the operation with its answer. */
export async function attempt(
  { operation, ttlMs }: Errand,
  requestId: RequestId | undefined,
  isLarge: boolean,
  services: Services,
  signal: AbortSignal,
): Promise<StoreOperation> {
  const options = { requestId, ttlMs };
  switch (operation.kind) {
    case "get": {
      const { value, revision } = await services.get(operation.key, signal);
      return { ...operation, result: { value: shownValue(value), revision } };
    }
    case "put": {
      // What follows the first space only makes it larger.
      const value = Buffer.from(operation.value + (isLarge ? ` ${"-".repeat(largeBytes)}` : ""));
      return {
        ...operation,
        result: { revision: await services.put(operation.key, value, options, signal) },
      };
    }
    case "delete":
      return {
        ...operation,
        result: { revision: await services.delete(operation.key, { requestId }, signal) },
      };
    case "batch": {
      const { compares, writes } = operation;
      const [compare] = compares;
      const [write] = writes;
      // The calls for one key take a condition of it, too.
      if (
        write?.kind === "delete" &&
        writes.length === 1 &&
        compares.length === 1 &&
        compare?.key === write.key
      ) {
        const { condition } = compare;
        const revision = await services.delete(write.key, { condition, requestId }, signal);
        return { ...operation, result: { revision } };
      }
      const operations = toWrites(writes, ttlMs);
      const revision = await services.write({ compares, operations, requestId }, signal);
      return { ...operation, result: { revision } };
    }
    case "scan": {
      if (services.group === undefined) throw new LinkError("only data nodes scan", true);
      const { at, found } = await services.group.scan({}, signal);
      const shown = found.map(({ key, value, revision }) => ({ key, value: shownValue(value), revision }));
      return { ...operation, result: { at: at.seq, found: shown } };
    }
    case "expire":
      throw new TypeError("no client lets keys expire");
  }
}

/** What an error tells as an answer; undefined when it is none. */
export function answerIn(operation: StoreOperation, error: unknown): StoreOperation | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  if (operation.kind === "batch") {
    const [refusal] = error.findDetails(ConditionFailedSchema);
    if (refusal === undefined) return undefined;
    return { ...operation, result: { refused: refusal.key, revision: Number(refusal.revision) } };
  }
  const canMiss = operation.kind === "get" || operation.kind === "delete";
  return canMiss && error.code === Code.NotFound ? { ...operation, result: "not-found" } : undefined;
}

/** Whether an attempt that failed so has certainly changed nothing. */
export function isUnapplied(error: unknown): boolean {
  if (error instanceof LinkError) return error.unseen;
  if (!(error instanceof ConnectError)) return false;
  return isNotApplied(error) || isForgotten(error) || error.code === Code.InvalidArgument;
}

export function isForgotten(error: unknown): boolean {
  return error instanceof ConnectError && error.findDetails(RequestForgottenSchema).length > 0;
}

export function shownValue(value: Uint8Array): string {
  const [shown = ""] = Buffer.from(value).toString().split(" ", 1);
  return shown;
}
