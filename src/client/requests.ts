/** Turns the arguments of a call into messages of the schema. Invalid arguments never reach the network. */

import { create } from "@bufbuild/protobuf";
import {
  type BatchOperation,
  BatchOperationSchema,
  type Compare,
  CompareSchema,
  DeleteRequestSchema,
  type Operation,
  PutRequestSchema,
  type RequestId,
} from "../../gen/kvlab/v1/data_pb.ts";
import { batchOperationsMax, problemWithKeyLength } from "../common/key-limits.ts";
import { anything, type Kinds, revision, wholeMs, yesOrNo } from "../common/option-kinds.ts";
import { checkOptions } from "./check-options.ts";
import { KvError } from "./errors.ts";
import { type KvValue, toWire } from "./values.ts";

/** At most one of these. */
export interface PutCondition {
  /** Only if the key exists with this revision. */
  readonly ifRevision?: number | undefined;
  /** Only if the key does not exist. */
  readonly ifAbsent?: boolean | undefined;
  /** Only if the key exists. */
  readonly ifPresent?: boolean | undefined;
}

/** At most one of these. */
export type DeleteCondition = Omit<PutCondition, "ifAbsent">;

/** Checks a condition of a key, and writes nothing. Needs one condition. */
export interface CompareStep extends PutCondition {
  readonly compare: string;
}

/** Puts a key. */
export interface PutStep extends PutCondition {
  readonly put: string;
  readonly value: KvValue;
  /** Milliseconds until the key expires: a whole number, at least 1. Default: never. */
  readonly ttlMs?: number | undefined;
}

/** Deletes a key. Without a condition, deleting a missing key is not an error. */
export interface DeleteStep extends DeleteCondition {
  readonly delete: string;
}

/** One step of a batch. */
export type BatchStep = CompareStep | PutStep | DeleteStep;

const conditionKinds: Kinds<PutCondition> = { ifRevision: revision, ifAbsent: yesOrNo, ifPresent: yesOrNo };

/** The options of a put. */
export const putKinds: Kinds<Omit<PutStep, "put" | "value">> = { ttlMs: wholeMs, ...conditionKinds };

/** The options of a delete. */
export const deleteKinds: Kinds<DeleteCondition> = { ifRevision: revision, ifPresent: yesOrNo };

// Keys and values are checked elsewhere, with better messages.
const compareStepKinds: Kinds<CompareStep> = { compare: anything, ...conditionKinds };
const putStepKinds: Kinds<PutStep> = { put: anything, value: anything, ...putKinds };
const deleteStepKinds: Kinds<DeleteStep> = { delete: anything, ...deleteKinds };

/** One call, as a pipe carries it. */
export type Call = Exclude<Operation["call"], { case: undefined }>;

/** A write without its request id. */
export type Write = Extract<Call, { case: "put" | "delete" | "batch" }>;

export function getCall(key: string): Call {
  checkKey(key);
  return { case: "get", value: { $typeName: "kvlab.v1.GetRequest", key } };
}

export function putCall(step: PutStep): Write {
  return { case: "put", value: putRequest(step) };
}

export function deleteCall(step: DeleteStep): Write {
  return { case: "delete", value: deleteRequest(step) };
}

export function batchCall(steps: readonly BatchStep[]): Write {
  if (!Array.isArray(steps)) throw new KvError("invalid", "the steps of a batch must be an array");
  if (steps.length === 0 || steps.length > batchOperationsMax) {
    throw new KvError(
      "invalid",
      `the batch has ${steps.length} steps; allowed are 1 to ${batchOperationsMax}`,
    );
  }
  const compares: Compare[] = [];
  const operations: BatchOperation[] = [];
  for (const [index, step] of steps.entries()) {
    checkStep(`step ${index + 1} of the batch`, step);
    if ("compare" in step) {
      compares.push(compareOf(step));
    } else if ("put" in step) {
      operations.push(create(BatchOperationSchema, { operation: { case: "put", value: putRequest(step) } }));
    } else {
      const value = deleteRequest(step);
      operations.push(create(BatchOperationSchema, { operation: { case: "delete", value } }));
    }
  }
  return { case: "batch", value: { $typeName: "kvlab.v1.BatchRequest", compares, operations } };
}

function checkStep(what: string, step: unknown): void {
  const has = (name: string) => typeof step === "object" && step !== null && name in step;
  if (has("compare")) checkOptions(what, step, compareStepKinds);
  else if (has("put")) checkOptions(what, step, putStepKinds);
  else checkOptions(what, step, deleteStepKinds);
}

/** The keys of a batch. */
export function keysOf(steps: readonly BatchStep[]): string[] {
  return steps.map((step) => ("compare" in step ? step.compare : "put" in step ? step.put : step.delete));
}

/** The write with a request id. */
export function named(write: Write, requestId: RequestId): Write {
  switch (write.case) {
    case "put":
      return { case: "put", value: { ...write.value, requestId } };
    case "delete":
      return { case: "delete", value: { ...write.value, requestId } };
    case "batch":
      return { case: "batch", value: { ...write.value, requestId } };
  }
}

/** An upper bound of the bytes of a call on the wire: every character of keys and text counts as three bytes. */
export function sizeOf(call: Call): number {
  switch (call.case) {
    case "get":
      return overheadBytes + 3 * call.value.key.length;
    case "delete":
      return overheadBytes + 3 * call.value.key.length;
    case "put":
      return overheadBytes + 3 * call.value.key.length + valueSize(call.value.value.value);
    case "batch": {
      const { compares, operations } = call.value;
      let size = overheadBytes;
      for (const { key } of compares) size += overheadBytes + 3 * key.length;
      for (const { operation } of operations) if (operation.case !== undefined) size += sizeOf(operation);
      return size;
    }
  }
}

const overheadBytes = 128;

function valueSize(value: string | Uint8Array | undefined): number {
  return typeof value === "string" ? 3 * value.length : (value?.length ?? 0);
}

/** Throws `invalid` for a key that no server accepts: it would make the server refuse other calls in its message. */
export function checkKey(key: string): void {
  if (typeof key !== "string")
    throw new KvError("invalid", `the key is a ${typeof key}; it must be a string`);
  if (!key.isWellFormed())
    throw new KvError("invalid", "the key has half of a surrogate pair, which UTF-8 lacks");
  const problem = problemWithKeyLength(key);
  if (problem !== undefined) throw new KvError("invalid", problem);
}

function putRequest(step: PutStep) {
  const { put: key, value, ttlMs } = step;
  checkKey(key);
  if (typeof value !== "string" && !(value instanceof Uint8Array)) {
    throw new KvError("invalid", `the value is a ${typeof value}; it must be a string or a Uint8Array`);
  }
  if (typeof value === "string" && !value.isWellFormed()) {
    throw new KvError(
      "invalid",
      "the value has half of a surrogate pair, which UTF-8 lacks: put it as bytes",
    );
  }
  return create(PutRequestSchema, {
    key,
    value: toWire(value),
    condition: conditionOf(step),
    ...(ttlMs !== undefined && { ttlMs: BigInt(ttlMs) }),
  });
}

function deleteRequest(step: DeleteStep) {
  checkKey(step.delete);
  const condition = conditionOf(step);
  if (condition.case === "ifAbsent") throw new KvError("invalid", "a delete has no condition ifAbsent");
  return create(DeleteRequestSchema, { key: step.delete, condition });
}

function compareOf(step: CompareStep): Compare {
  checkKey(step.compare);
  const condition = conditionOf(step);
  if (condition.case === undefined) {
    throw new KvError("invalid", "a compare needs one of ifRevision, ifAbsent and ifPresent");
  }
  return create(CompareSchema, { key: step.compare, condition });
}

function conditionOf({ ifRevision, ifAbsent, ifPresent }: PutCondition) {
  if (Number(ifRevision !== undefined) + Number(ifAbsent === true) + Number(ifPresent === true) > 1) {
    throw new KvError("invalid", "only one of ifRevision, ifAbsent and ifPresent can be asked for");
  }
  if (ifRevision !== undefined) return { case: "ifRevision", value: BigInt(ifRevision) } as const;
  if (ifAbsent) return { case: "ifAbsent", value: true } as const;
  if (ifPresent) return { case: "ifPresent", value: true } as const;
  return { case: undefined };
}
