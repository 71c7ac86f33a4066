import {
  type BatchStep,
  type CallOptions,
  type KvClient,
  type KvEntry,
  KvError,
  type PutCondition,
} from "kvlab";
import type { StoreCondition, StoreOperation } from "../../checker/store-model.ts";
import type { Errand } from "./errands.ts";
import { shownValue } from "./shown-value.ts";

/** What the simulated programs use of a client. */
export type Caller = Pick<KvClient, "get" | "put" | "delete" | "batch">;

const largeBytes = 200_000;

/** How one errand is to be carried out. */
export interface Manner extends CallOptions {
  /** Whether a value is to be so large that logs are compacted, and sent in several messages. */
  readonly isLarge: boolean;
}

/** Carries out what is asked of single keys and batches. Returns the operation with its answer. Errors: KvError. */
export async function carryOut(
  { operation, ttlMs, request }: Errand,
  kv: Caller,
  { isLarge, ...options }: Manner,
): Promise<StoreOperation> {
  switch (operation.kind) {
    case "get":
      return { ...operation, result: answerOf(await kv.get(operation.key, options)) };
    case "put": {
      const value = operation.value + (isLarge ? ` ${"-".repeat(largeBytes)}` : "");
      return { ...operation, result: await kv.put(operation.key, value, { ...options, ttlMs }) };
    }
    case "delete":
      return { ...operation, result: (await kv.delete(operation.key, options)) ?? "not-found" };
    case "batch":
      try {
        const { revision } = await sendBatch(operation, kv, { ...options, ttlMs, request });
        return { ...operation, result: { revision } };
      } catch (error) {
        if (!(error instanceof KvError) || error.code !== "condition-failed") throw error;
        return { ...operation, result: { refused: error.key ?? "", revision: error.revision ?? 0 } };
      }
    default:
      throw new TypeError(`nobody asks for a ${operation.kind} so`);
  }
}

function answerOf(entry: KvEntry | undefined) {
  return entry === undefined ? "not-found" : { value: shownValue(entry.text()), revision: entry.revision };
}

/** A batch; or a call for one key, where that takes the condition, too. */
async function sendBatch(
  { compares, writes }: Extract<StoreOperation, { kind: "batch" }>,
  kv: Caller,
  { ttlMs, request, ...options }: CallOptions & { ttlMs: number | undefined; request: string | undefined },
): Promise<{ readonly revision: number }> {
  const [compare, ...others] = compares;
  const [write] = writes;
  const isOfOne = writes.length === 1 && others.length === 0 && compare?.key === write?.key;
  if (isOfOne && compare !== undefined && request === undefined) {
    const condition = toCondition(compare.condition);
    if (write?.kind === "put")
      return await kv.put(write.key, write.value, { ...options, ...condition, ttlMs });
    if (write?.kind === "delete" && compare.condition.kind !== "absent") {
      const { ifAbsent: _, ...given } = condition;
      return (await kv.delete(write.key, { ...options, ...given })) ?? { revision: 0 };
    }
  }
  const steps: BatchStep[] = [
    ...compares.map(({ key, condition }) => ({ compare: key, ...toCondition(condition) })),
    ...writes.map((each) =>
      each.kind === "put" ? { put: each.key, value: each.value, ttlMs } : { delete: each.key },
    ),
  ];
  return await kv.batch(steps, { ...options, requestId: request });
}

function toCondition(condition: StoreCondition): PutCondition {
  switch (condition.kind) {
    case "absent":
      return { ifAbsent: true };
    case "present":
      return { ifPresent: true };
    case "revision":
      return { ifRevision: condition.revision };
  }
}
