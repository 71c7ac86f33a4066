import { batchOperationsMax, problemWithKeyLength } from "../../common/key-limits.ts";
import { shownKey } from "../../common/shown-key.ts";
import type { WriteOperation } from "../kv/write-plan.ts";
import { OperationError } from "../metadata/operation-error.ts";

/** Longest time to live: 100 years, far below where milliseconds since 1970 lose their precision. */
const ttlMsMax = 100 * 365 * 24 * 3600 * 1000;

/** Errors: invalid (the key is too long). */
export function checkKey(key: string): void {
  const problem = problemWithKeyLength(key);
  if (problem !== undefined) throw new OperationError("invalid", problem);
}

/** Errors: invalid (the value is too long). */
export function checkValue(value: Uint8Array, valueBytesMax: number): void {
  if (value.length > valueBytesMax) {
    throw new OperationError(
      "invalid",
      `the value has ${value.length} bytes; at most ${valueBytesMax} are allowed (maxvaluebytes)`,
    );
  }
}

/** `count`: of the compares and operations of a batch. Errors: invalid (there are none, or too many). */
export function checkBatchCount(count: number): void {
  if (count === 0) throw new OperationError("invalid", "the batch has no compares and no operations");
  if (count > batchOperationsMax) {
    throw new OperationError(
      "invalid",
      `the batch has ${count} compares and operations; at most ${batchOperationsMax} are allowed`,
    );
  }
}

/**
 * What passes, with any `valueBytesMax` up to `valueBytesLimit`, fits into a record of the log. Errors: invalid (a batch is
 * too large, or writes a key twice).
 */
export function checkBatch(operations: readonly WriteOperation[], valueBytesMax: number): void {
  if (operations.length < 2) return;
  const keys = new Set<string>();
  let bytes = 0;
  for (const operation of operations) {
    const { kind, key } = operation;
    if (keys.has(key)) {
      throw new OperationError(
        "invalid",
        `the batch writes key ${shownKey(key)} twice; each key may be once`,
      );
    }
    keys.add(key);
    bytes += Buffer.byteLength(key) + (kind === "put" ? operation.value.length : 0);
  }
  if (bytes > valueBytesMax) {
    throw new OperationError(
      "invalid",
      `the keys and values of the batch have ${bytes} bytes; at most ${valueBytesMax} are allowed (maxvaluebytes)`,
    );
  }
}

/** Errors: invalid (the time to live is out of range). */
export function checkTtl(ttlMs: number | bigint | undefined): void {
  if (ttlMs === undefined || (ttlMs >= 1 && ttlMs <= ttlMsMax)) return;
  throw new OperationError(
    "invalid",
    `ttl_ms is ${ttlMs}; allowed are 1 to ${ttlMsMax} (100 years), or none`,
  );
}

/** Errors: invalid (the request id is malformed). */
export function checkRequestId(id: string): void {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(id)) return;
  throw new OperationError(
    "invalid",
    `the request id is ${JSON.stringify(id.slice(0, 80))}; allowed are 1 to 64 of A-Z, a-z, 0-9, - and _`,
  );
}
