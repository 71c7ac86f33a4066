import type { KeyFacts, KeyView, RecordedRequest } from "../storage/key-view.ts";
import type { Change } from "../storage/model.ts";

/** A condition on a key. */
export type Condition =
  | { readonly kind: "revision"; readonly revision: number }
  | { readonly kind: "absent" }
  | { readonly kind: "present" };

export interface Compare {
  readonly key: string;
  readonly condition: Condition;
}

export type WriteOperation =
  | {
      readonly kind: "put";
      readonly key: string;
      readonly value: Uint8Array;
      readonly text: boolean;
      /** Undefined: the key does not expire. */
      readonly ttlMs?: number | undefined;
    }
  | { readonly kind: "delete"; readonly key: string };

/** Identifies a request in all its attempts. */
export interface RequestId {
  readonly id: string;
  /** The group had this revision before the first attempt. So the record that answers the request comes after it. */
  readonly afterRevision: number;
}

/** A write of a client, applied atomically. */
export interface WriteRequest {
  readonly compares: readonly Compare[];
  /** At most one for each key. */
  readonly operations: readonly WriteOperation[];
  readonly requestId?: RequestId | undefined;
}

export type WritePlan =
  /** An earlier attempt is in the log. */
  | ({ readonly kind: "repeated" } & RecordedRequest)
  /** There may have been an earlier attempt, but its id is forgotten; or the log does not reach the revision it names. */
  | { readonly kind: "forgotten" }
  /** The request names expired keys. Their end must be in the log before it can be planned. */
  | { readonly kind: "expired" }
  | { readonly kind: "refused"; readonly key: string; readonly revision: number }
  /** Nothing to write: only compares, or the keys to delete do not exist, and the request has no name. */
  | { readonly kind: "nothing" }
  | { readonly kind: "write"; readonly changes: readonly Change[] };

/** Decides a request against everything that is in the log. */
export function planWrite(store: KeyView, request: WriteRequest, wallMs: number): WritePlan {
  const { compares, operations, requestId } = request;
  if (requestId !== undefined) {
    const recorded = store.requestOf(requestId.id);
    if (recorded !== undefined) return { kind: "repeated", ...recorded };
    const { afterRevision } = requestId;
    // A revision that the log does not reach was seen before an operator gave up the end of the log. The record of this
    // request would get a lower one, and could not be told from one that came before, once it is forgotten.
    const isKnown = afterRevision >= store.requestsAfter && afterRevision <= store.lastRevision;
    if (!isKnown) return { kind: "forgotten" };
  }
  for (const { key, condition } of compares) {
    const facts = store.pendingFacts(key);
    if (isPastItsTime(facts, wallMs)) return { kind: "expired" };
    const revision = facts?.revision ?? 0;
    if (!holds(condition, revision)) return { kind: "refused", key, revision };
  }
  const changes: Change[] = [];
  for (const operation of operations) {
    const facts = store.pendingFacts(operation.key);
    if (isPastItsTime(facts, wallMs)) return { kind: "expired" };
    const previous = facts?.seq ?? 0;
    if (operation.kind === "delete") {
      if (previous > 0) changes.push(removal("delete", operation.key, previous));
      continue;
    }
    const { kind, key, value, text, ttlMs } = operation;
    changes.push({
      kind,
      key,
      value,
      text,
      previous,
      ...(ttlMs !== undefined && { expiresMs: Math.ceil(wallMs) + ttlMs }),
    });
  }
  // An earlier attempt may come later, when there are keys that it would delete: so a named request has a record also
  // when there are none.
  const hasRecord = changes.length > 0 || (requestId !== undefined && operations.length > 0);
  return hasRecord ? { kind: "write", changes } : { kind: "nothing" };
}

export function isPastItsTime(facts: KeyFacts | undefined, wallMs: number): boolean {
  return facts?.expiresMs !== undefined && facts.expiresMs <= wallMs;
}

/** The change that ends a key whose value the record `previous` has put. */
export function removal(kind: "delete" | "expire", key: string, previous: number): Change {
  return { kind, key, value: new Uint8Array(), text: false, previous };
}

function holds(condition: Condition, revision: number): boolean {
  switch (condition.kind) {
    case "revision":
      return revision === condition.revision;
    case "absent":
      return revision === 0;
    case "present":
      return revision > 0;
  }
}
