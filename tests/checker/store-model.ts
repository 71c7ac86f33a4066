import {
  type DeleteOperation,
  type GetOperation,
  type KeyOperation,
  type KeyState,
  keyValueModel,
  type PutOperation,
} from "./key-value-model.ts";
import type { Model } from "./model.ts";

export type StoreOperation = KeyOperation | BatchOperation | ScanOperation | ExpireOperation;

export type StoreCondition =
  | { readonly kind: "revision"; readonly revision: number }
  | { readonly kind: "absent" }
  | { readonly kind: "present" };

/** Writes that are carried out together if all compares hold, and else not at all. A conditional write is one of one. */
export interface BatchOperation {
  readonly kind: "batch";
  readonly compares: readonly { readonly key: string; readonly condition: StoreCondition }[];
  /** At most one for each key. */
  readonly writes: readonly BatchWrite[];
  /** `refused` is the key of a compare that did not hold, `revision` what it had; 0 when it did not exist. */
  readonly result: BatchResult | undefined;
  /** Names it in the log. */
  readonly request?: string | undefined;
}

export type BatchWrite =
  | { readonly kind: "put"; readonly key: string; readonly value: string }
  | { readonly kind: "delete"; readonly key: string };

export type BatchResult =
  | { readonly revision: number; readonly refused?: undefined }
  | { readonly revision: number; readonly refused: string };

/** All of some keys at one moment. */
export interface ScanOperation {
  readonly kind: "scan";
  /** Those that the scan would have found, had they existed. */
  readonly keys: readonly string[];
  readonly result: ScanResult | undefined;
}

export interface ScanResult {
  /** Revision of the group at which the keys are shown. */
  readonly at: number;
  readonly found: readonly { readonly key: string; readonly value: string; readonly revision: number }[];
}

/** The end of a key whose time is over: the store's own doing, as its log tells. */
export interface ExpireOperation {
  readonly kind: "expire";
  readonly key: string;
  /** Revision of the value that expires. */
  readonly previous: number;
  readonly result: { readonly revision: number };
}

/** By key; what is not there has never been written. */
export type StoreState = Readonly<Record<string, KeyState>>;

/** Keys of the key-value model of which several are written, or looked at, in one step. */
export const storeModel: Model<StoreState, StoreOperation> = {
  initial: {},

  step(state, operation) {
    switch (operation.kind) {
      case "batch":
        return carryOut(state, operation);
      case "scan":
        return scan(state, operation);
      case "expire":
        return expire(state, operation);
      default:
        return stepKey(state, operation.key, operation);
    }
  },

  stateKey(state) {
    const keys = Object.keys(state).sort();
    return keys.map((key) => `${key}:${keyValueModel.stateKey(at(state, key))}`).join(" ");
  },

  partsOf(operation) {
    if (operation.kind === "scan") return operation.keys;
    if (operation.kind === "batch") return keysOf(operation);
    return [operation.key];
  },

  // Revisions are told by the log, too: without them, many writes of unknown outcome could be anywhere.
  withoutAnswer: (operation) => operation,

  describe(operation) {
    switch (operation.kind) {
      case "batch":
        return describeBatch(operation);
      case "scan":
        return `scan: ${operation.result === undefined ? "outcome unknown" : describeScan(operation.result)}`;
      case "expire":
        return `${JSON.stringify(operation.key)} of revision ${operation.previous} expires: revision ${operation.result.revision}`;
      default:
        return keyValueModel.describe(operation);
    }
  },

  describeState(state) {
    const keys = Object.keys(state).sort();
    if (keys.length === 0) return "nothing written yet";
    return keys
      .map((key) => `${JSON.stringify(key)} ${keyValueModel.describeState(at(state, key))}`)
      .join("; ");
  },

  // Revisions of all keys that are checked together come from one log. When a key is read is no matter of others.
  rank(operation) {
    if (operation.kind === "get" || operation.kind === "scan") return undefined;
    if (operation.kind !== "batch") return keyValueModel.rank?.(operation as KeyOperation);
    const { result, writes } = operation;
    const writesForSure = writes.some(({ kind }) => kind === "put");
    return result === undefined || result.refused !== undefined || !writesForSure
      ? undefined
      : result.revision;
  },

  signs: {
    leftBy(operation) {
      if (operation.kind === "batch" || operation.kind === "expire") return undefined;
      if (operation.kind === "scan") return [];
      return signsOf(operation.key, keyValueModel.signs?.leftBy(operation));
    },

    neededBy(operation) {
      switch (operation.kind) {
        case "batch":
          return neededByBatch(operation);
        case "scan":
          return neededByScan(operation);
        case "expire":
          return signsOf(operation.key, ["exists"]) ?? [];
        default:
          return signsOf(operation.key, keyValueModel.signs?.neededBy(operation)) ?? [];
      }
    },
  },
};

function at(state: StoreState, key: string): KeyState {
  return state[key] ?? keyValueModel.initial;
}

function stepKey(
  state: StoreState,
  key: string,
  operation: GetOperation | PutOperation | DeleteOperation,
): StoreState | undefined {
  const before = at(state, key);
  const after = keyValueModel.step(before, operation);
  if (after === undefined || after === before) return after && state;
  return { ...state, [key]: after };
}

function carryOut(state: StoreState, { compares, writes, result }: BatchOperation): StoreState | undefined {
  let next: StoreState | undefined = state;
  for (const { key, condition } of compares) {
    if (result?.refused === key) return failing(next, key, condition, result.revision);
    next = holding(next, key, condition);
    // What nobody knows the outcome of may have been refused.
    if (next === undefined) return result === undefined ? { ...state } : undefined;
  }
  if (result?.refused !== undefined) return undefined;
  for (const write of writes) {
    const { key } = write;
    if (write.kind === "delete" && at(next, key).value === undefined) continue;
    const told = result === undefined ? undefined : { revision: result.revision };
    next = stepKey(next, key, { ...write, result: told });
    if (next === undefined) return undefined;
  }
  // A copy: where there is something to delete, it is more than this.
  return next === state && writes.length > 0 ? { ...state } : next;
}

/** `state` with what is known of it when a condition holds; undefined when it cannot. */
function holding(state: StoreState, key: string, condition: StoreCondition): StoreState | undefined {
  const { value } = at(state, key);
  if (condition.kind === "absent") return value === undefined ? state : undefined;
  if (condition.kind === "present") return value === undefined ? undefined : state;
  return having(state, key, condition.revision);
}

/** The same when it does not hold, and the key has this revision. */
function failing(
  state: StoreState,
  key: string,
  condition: StoreCondition,
  revision: number,
): StoreState | undefined {
  const isTrue = {
    absent: revision === 0,
    present: revision > 0,
    revision: condition.kind === "revision" && condition.revision === revision,
  };
  return isTrue[condition.kind] ? undefined : having(state, key, revision);
}

/** `state` when a key has this revision; undefined when it cannot have. */
function having(state: StoreState, key: string, revision: number): StoreState | undefined {
  const { value } = at(state, key);
  if (revision === 0 || value === undefined) return revision === 0 && value === undefined ? state : undefined;
  return stepKey(state, key, { kind: "get", key, result: { value, revision } });
}

function scan(state: StoreState, { keys, result }: ScanOperation): StoreState | undefined {
  if (result === undefined) return state;
  const found = new Map(result.found.map((each) => [each.key, each]));
  let next: StoreState | undefined = state;
  for (const key of keys) {
    const shown = found.get(key);
    next = stepKey(next, key, { kind: "get", key, result: shown ?? "not-found" });
    if (next === undefined) return undefined;
  }
  return next;
}

function expire(state: StoreState, { key, previous, result }: ExpireOperation): StoreState | undefined {
  const known = previous === 0 ? undefined : having(state, key, previous);
  return known && stepKey(known, key, { kind: "delete", key, result });
}

function keysOf({ compares, writes }: BatchOperation): string[] {
  return [...new Set([...compares, ...writes].map(({ key }) => key))];
}

function signsOf(key: string, signs: readonly string[] | undefined): string[] | undefined {
  return signs?.map((sign) => `${key} ${sign}`);
}

function neededByBatch({ compares, writes, result }: BatchOperation): string[] {
  const refused = compares.findIndex(({ key }) => key === result?.refused);
  // Those before the one that did not hold did.
  const held = refused < 0 ? compares : compares.slice(0, refused);
  const needed = held.map(({ key, condition }) => {
    const isAbsent =
      condition.kind === "absent" || (condition.kind === "revision" && condition.revision === 0);
    return `${key} ${isAbsent ? "absent" : "exists"}`;
  });
  // A batch does not tell what its deletes found, but its revision may.
  const deleted = writes.filter(({ kind }) => kind === "delete");
  if (result?.refused === undefined) {
    return [...needed, ...deleted.flatMap(({ key }) => [`${key} absent`, `${key} exists`])];
  }
  return [...needed, `${result.refused} ${result.revision === 0 ? "absent" : "exists"}`];
}

function neededByScan({ keys, result }: ScanOperation): string[] {
  if (result === undefined) return [];
  const found = new Map(result.found.map(({ key, value }) => [key, value]));
  return keys.map((key) => {
    const value = found.get(key);
    return value === undefined ? `${key} absent` : `${key} value ${value}`;
  });
}

function describeBatch({ compares, writes, result }: BatchOperation): string {
  const conditions = compares.map(({ key, condition }) => {
    const what = condition.kind === "revision" ? `revision ${condition.revision}` : condition.kind;
    return `${JSON.stringify(key)} ${what}`;
  });
  const steps = writes.map((write) => {
    return `${write.kind} ${JSON.stringify(write.key)}${write.kind === "put" ? ` ${JSON.stringify(write.value)}` : ""}`;
  });
  const asked = `${conditions.length > 0 ? `if ${conditions.join(", ")}: ` : ""}${steps.join(", ")}`;
  if (result === undefined) return `${asked}: outcome unknown`;
  if (result.refused === undefined) return `${asked}: revision ${result.revision}`;
  return `${asked}: refused, ${JSON.stringify(result.refused)} has revision ${result.revision}`;
}

function describeScan({ at, found }: ScanResult): string {
  const keys = found.map(
    ({ key, value, revision }) => `${JSON.stringify(key)} ${JSON.stringify(value)} (${revision})`,
  );
  return `${keys.join(", ")} at revision ${at}`;
}
