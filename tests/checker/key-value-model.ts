import type { Model } from "./model.ts";

export type KeyOperation = GetOperation | PutOperation | DeleteOperation;

/** `result` is undefined while, or if ever, the outcome is unknown. */
export interface GetOperation {
  readonly kind: "get";
  readonly key: string;
  readonly result: { readonly value: string; readonly revision: number } | "not-found" | undefined;
}

export interface PutOperation {
  readonly kind: "put";
  readonly key: string;
  readonly value: string;
  readonly result: { readonly revision: number } | undefined;
  /** Names it in the log. */
  readonly request?: string | undefined;
}

export interface DeleteOperation {
  readonly kind: "delete";
  readonly key: string;
  readonly result: { readonly revision: number } | "not-found" | undefined;
  /** Names it in the log. */
  readonly request?: string | undefined;
}

/** One key. */
export interface KeyState {
  /** Undefined: the key does not exist. */
  readonly value: string | undefined;
  /** Of the last write or delete, or the least that it can be; 0 before the first. */
  readonly revision: number;
  /** False after a write of unknown outcome until a read tells its revision. */
  readonly exact: boolean;
}

/**
 * Keys with revisions: positive integers that rise strictly with every write and delete of the key. A get returns the
 * value and the revision of the last write. A delete of a key that does not exist changes nothing.
 */
export const keyValueModel: Model<KeyState, KeyOperation> = {
  initial: { value: undefined, revision: 0, exact: true },

  step(state, operation) {
    if (operation.result === "not-found") return state.value === undefined ? state : undefined;
    switch (operation.kind) {
      case "get":
        return operation.result === undefined ? state : read(state, operation.result);
      case "put":
        return write(state, operation.value, operation.result?.revision);
      case "delete":
        // A copy: where the key exists, a delete of unknown outcome is more than this.
        if (state.value === undefined) return operation.result === undefined ? { ...state } : undefined;
        return write(state, undefined, operation.result?.revision);
    }
  },

  stateKey({ value, revision, exact }) {
    // No operation can tell the revision of a delete.
    if (value === undefined) return String(revision);
    return `${revision}${exact ? "=" : "+"}${value}`;
  },

  partsOf: ({ key }) => [key],

  withoutAnswer: (operation) => ({ ...operation, result: undefined }),

  describe(operation) {
    const { kind, key, result } = operation;
    const asked = `${kind} ${JSON.stringify(key)}${kind === "put" ? ` ${JSON.stringify(operation.value)}` : ""}`;
    if (result === undefined) return `${asked}: outcome unknown`;
    if (result === "not-found") return `${asked}: not found`;
    return `${asked}: ${"value" in result ? `${JSON.stringify(result.value)}, ` : ""}revision ${result.revision}`;
  },

  describeState({ value, revision, exact }) {
    const at = `revision ${exact ? "" : "at least "}${revision}`;
    if (value !== undefined) return `${JSON.stringify(value)}, ${at}`;
    return revision === 0 ? "not written yet" : `deleted, ${at}`;
  },

  rank({ result }) {
    return result === undefined || result === "not-found" ? undefined : result.revision;
  },

  // Without a write that nobody notices before the next one, more revisions are left for those that follow.
  signs: {
    leftBy(operation) {
      if (operation.kind === "put") return ["exists", `value ${operation.value}`];
      return operation.kind === "delete" && operation.result !== "not-found" ? ["absent"] : [];
    },

    neededBy({ kind, result }) {
      if (result === undefined || kind === "put") return [];
      if (result === "not-found") return ["absent"];
      return "value" in result ? [`value ${result.value}`] : ["exists"];
    },
  },
};

function read(
  state: KeyState,
  { value, revision }: { value: string; revision: number },
): KeyState | undefined {
  if (state.value !== value) return undefined;
  if (state.exact) return state.revision === revision ? state : undefined;
  return revision >= state.revision ? { value, revision, exact: true } : undefined;
}

function write(
  state: KeyState,
  value: string | undefined,
  revision: number | undefined,
): KeyState | undefined {
  if (revision === undefined) return { value, revision: state.revision + 1, exact: false };
  return revision > state.revision ? { value, revision, exact: true } : undefined;
}
