import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BatchRequest,
  Compare as CompareMessage,
  DeleteRequest,
  PutRequest,
  RequestId as RequestIdMessage,
  ScanRequest,
  WatchEvent as WatchEventMessage,
  WatchRequest,
  WatchResponseSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { EventKind } from "../../../gen/kvlab/v1/data_pb.ts";
import type {
  Compare,
  Condition,
  RequestId,
  WriteOperation,
  WriteRequest,
} from "../../cluster/kv/write-plan.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import { checkBatchCount, checkTtl } from "../../cluster/node/limits.ts";
import type { KeyRange, StoredValue } from "../../cluster/storage/key-view.ts";
import type { WatchScope } from "../../cluster/watch/scope.ts";
import type { WatchEvent, WatchStep } from "../../cluster/watch/step.ts";
import type { WatchOptions } from "../../cluster/watch/watcher.ts";
import { asBuffer } from "../../common/as-buffer.ts";
import { shownKey } from "../../common/shown-key.ts";

/** Converts the messages of `kvlab.v1.DataService` to and from types of the core, whose numbers are below 2^53. */

type ValueMessage = PutRequest["value"];

/** Errors: OperationError `invalid`. A put without a value most likely has a misspelt field, not an empty value. */
export function fromValue(value: ValueMessage): Uint8Array {
  if (value.case === undefined) {
    throw new OperationError(
      "invalid",
      "a put has no value; one of text and bytes is needed, which may be empty",
    );
  }
  return value.case === "text" ? Buffer.from(value.value) : value.value;
}

export function toValue({ value, text }: Pick<StoredValue, "value" | "text">) {
  return text
    ? { case: "text" as const, value: asBuffer(value).toString() }
    : { case: "bytes" as const, value };
}

/** Milliseconds until a key expires: at least 1, because the key exists. */
export function toTtlLeftMs(expiresMs: number, wallMs: number): bigint {
  return BigInt(Math.max(1, Math.ceil(expiresMs - wallMs)));
}

export function fromCondition(
  condition: PutRequest["condition"] | DeleteRequest["condition"],
): Condition | undefined {
  switch (condition.case) {
    case "ifRevision":
      return { kind: "revision", revision: checkedRevision(condition.value) };
    case "ifAbsent":
      return condition.value ? { kind: "absent" } : undefined;
    case "ifPresent":
      return condition.value ? { kind: "present" } : undefined;
    default:
      return undefined;
  }
}

/** Refuses 0, which no existing key has, and numbers above 2^53, which would be rounded. */
function checkedRevision(revision: bigint): number {
  if (revision > 0n && revision <= Number.MAX_SAFE_INTEGER) return Number(revision);
  throw new OperationError(
    "invalid",
    `if_revision is ${revision}; allowed are 1 to ${Number.MAX_SAFE_INTEGER}, or if_absent for a key that is not there`,
  );
}

export function fromRequestId(message: RequestIdMessage | undefined): RequestId | undefined {
  return message && { id: message.id, afterRevision: Number(message.afterRevision) };
}

export function fromBatch(request: BatchRequest): WriteRequest {
  checkBatchCount(request.compares.length + request.operations.length);
  const compares = request.compares.map(fromCompare);
  const operations: WriteOperation[] = [];
  for (const { operation } of request.operations) {
    if (operation.case === undefined) {
      throw new OperationError("invalid", "an operation of the batch is empty; it must be a put or a delete");
    }
    const { key, condition, requestId } = operation.value;
    if (requestId !== undefined) {
      throw new OperationError(
        "invalid",
        "an operation of the batch has a request_id; only the batch may have one",
      );
    }
    const compared = fromCondition(condition);
    if (compared !== undefined) compares.push({ key, condition: compared });
    operations.push(operation.case === "put" ? putOf(operation.value) : { kind: "delete", key });
  }
  return { compares, operations, requestId: fromRequestId(request.requestId) };
}

function fromCompare({ key, condition }: CompareMessage): Compare {
  const compared = fromCondition(condition);
  if (compared === undefined) {
    throw new OperationError(
      "invalid",
      `a compare of the batch, of key ${shownKey(key)}, has no condition; one of if_revision, if_absent, ` +
        "if_present is needed",
    );
  }
  return { key, condition: compared };
}

function putOf({ key, value, ttlMs }: PutRequest): WriteOperation {
  return {
    kind: "put",
    key,
    value: fromValue(value),
    text: value.case === "text",
    ttlMs: fromTtl(ttlMs),
  };
}

/** Checked before it is rounded, so that the error says what was sent. */
export function fromTtl(ttlMs: bigint | undefined): number | undefined {
  checkTtl(ttlMs);
  return ttlMs === undefined ? undefined : Number(ttlMs);
}

export function fromScan({ prefix, start, end, after, reverse }: ScanRequest): KeyRange {
  return { prefix, start, end, after, reverse };
}

export function fromWatch(request: WatchRequest): WatchOptions {
  return { scope: fromScope(request.scope), after: fromAfter(request), previous: request.previous };
}

/** Errors: OperationError `invalid`. */
function fromAfter(request: WatchRequest): WatchOptions["after"] {
  const { afterRevision, afterEpoch, afterRingChange, fromNow } = request;
  if (fromNow && afterRingChange === undefined) {
    throw new OperationError("invalid", "from_now is given without after_ring_change");
  }
  if (afterEpoch > 0n && afterRevision === undefined) {
    throw new OperationError("invalid", "after_epoch is given without after_revision");
  }
  if (afterRingChange !== undefined) {
    if (afterRevision !== undefined) {
      throw new OperationError("invalid", "after_revision and after_ring_change are given; only one may be");
    }
    const change = Number(afterRingChange);
    return fromNow ? { acceptedSince: change } : { change };
  }
  if (afterRevision === undefined) return undefined;
  return { epoch: Number(afterEpoch), revision: Number(afterRevision) };
}

function fromScope(scope: WatchRequest["scope"]): WatchScope {
  switch (scope.case) {
    case "key":
      return { kind: "key", key: scope.value };
    case "prefix":
      return { kind: "prefix", prefix: scope.value };
    default:
      return { kind: "all" };
  }
}

export function toWatchResponse(step: WatchStep): MessageInitShape<typeof WatchResponseSchema> {
  const { events, revision, at, mark, accepted = [], hasLeft = false, lastRevision } = step;
  const taken = mark?.kind === "accept" ? [mark] : accepted;
  return {
    events: events.map(toEvent),
    revision: BigInt(revision),
    epoch: BigInt(at.epoch),
    hasLeft,
    ...(lastRevision !== undefined && { lastRevision: BigInt(lastRevision) }),
    taken: taken.map((keys) => ({
      from: keys.from,
      revision: BigInt(keys.revision),
      ringChange: BigInt(keys.change),
      ...("after" in keys && { afterRevision: BigInt(keys.after) }),
    })),
    ...(mark?.kind === "release" && { given: { to: mark.to, ringChange: BigInt(mark.change) } }),
  };
}

const eventKinds = { put: EventKind.PUT, delete: EventKind.DELETE, expire: EventKind.EXPIRE } as const;

function toEvent({ change, revision, epoch, previous }: WatchEvent) {
  const value: WatchEventMessage["value"] = change.kind === "put" ? toValue(change) : { case: undefined };
  return {
    kind: eventKinds[change.kind],
    key: change.key,
    value,
    revision: BigInt(revision),
    epoch: BigInt(epoch),
    ...(previous !== undefined && {
      previous: {
        revision: BigInt(previous.revision),
        lost: previous.value === undefined,
        ...(previous.value !== undefined && { value: toValue(previous.value) }),
      },
    }),
  };
}
