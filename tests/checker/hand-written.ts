/** Words for writing down histories of one key. */
import type { Call } from "./history.ts";
import type { DeleteOperation, GetOperation, KeyOperation, PutOperation } from "./key-value-model.ts";

const key = "k";

/** A call from `called` to `returned`. */
export function at<Operation>(called: number, returned: number, operation: Operation): Call<Operation> {
  return { client: 1, operation, called, returned };
}

/** A call made at `called` of which nobody knows what became. */
export function since<Operation>(called: number, operation: Operation): Call<Operation> {
  return { client: 1, operation, called, returned: undefined };
}

/** Without a revision: the answer is unknown. */
export function put(value: string, revision?: number): PutOperation {
  return { kind: "put", key, value, result: revision === undefined ? undefined : { revision } };
}

/** Without a revision: the answer is unknown. */
export function remove(revision?: number): DeleteOperation {
  return { kind: "delete", key, result: revision === undefined ? undefined : { revision } };
}

export function get(value: string, revision: number): GetOperation {
  return { kind: "get", key, result: { value, revision } };
}

export const getNothing: GetOperation = { kind: "get", key, result: "not-found" };
export const removeNothing: DeleteOperation = { kind: "delete", key, result: "not-found" };

/** The same operation on another key. */
export function on<Operation extends KeyOperation>(otherKey: string, operation: Operation): Operation {
  return { ...operation, key: otherKey };
}
