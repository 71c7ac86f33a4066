import type { Condition } from "../../../src/cluster/kv/write-plan.ts";
import type { KeyOperation } from "../../checker/key-value-model.ts";
import type { BatchOperation, BatchWrite, ScanOperation, StoreOperation } from "../../checker/store-model.ts";
import type { Random } from "../world/random.ts";
import { type CallKind, callKinds, type Uses } from "./uses.ts";

/** What one client knows of the store from the answers that it had. */
export interface Known {
  /** By key, the last revision that was seen; 0 for a key that did not exist. */
  readonly revisions: Map<string, number>;
}

/** Something that a client wants done. */
export interface Errand {
  /** As it stands in the history, without an answer. */
  readonly operation: StoreOperation;
  /** Of puts. */
  readonly ttlMs: number | undefined;
  /** Names a batch that is sent anew, by the program, when its outcome is not known. */
  readonly request: string | undefined;
}

/** What to ask for, by chance. */
export class Errands {
  readonly #name: string;
  readonly #uses: Uses;
  readonly #random: Random;
  readonly #known: Known;
  #written = 0;

  /** `name` stands in all that is written, which is so told apart from what others write. */
  constructor(name: string, uses: Uses, random: Random, known: Known) {
    this.#name = name;
    this.#uses = uses;
    this.#random = random;
    this.#known = known;
  }

  next(): Errand {
    const { mix, keys, expiring, named, deleting } = this.#uses;
    const random = this.#random;
    const kind = pickBy(random, mix);
    const operation = this.#operation(kind, random.pick(keys));
    const ttlMs = random.chance(expiring) ? Math.ceil(random.between(1, 3000)) : undefined;
    // Of a request that is forgotten, nobody knows whether it was done.
    const isNamed = operation.kind === "batch" && !this.#uses.forgets && random.chance(named);
    if (!isNamed) return { operation, ttlMs, request: undefined };
    const request = `r${this.#name}-${++this.#written}`;
    // Told in the log by its name; what has neither a name nor a put, by nothing.
    const onlyDeletes = deleting > 0 && random.chance(deleting);
    const writes = onlyDeletes ? operation.writes.map(({ key }) => deleteOf(key)) : operation.writes;
    return { operation: { ...operation, writes, request }, ttlMs, request };
  }

  /** A get or a put that tells whether a key can be used. */
  plain(kind: "get" | "put", key: string): Errand {
    return { operation: this.#operation(kind, key), ttlMs: undefined, request: undefined };
  }

  #operation(kind: CallKind, key: string): StoreOperation {
    switch (kind) {
      case "put":
        return { kind, key, value: this.#value(), result: undefined };
      case "conditional":
        return this.#conditional(key);
      case "batch":
        return this.#batch();
      case "scan":
        return { kind, keys: [], result: undefined };
      default:
        return { kind, key, result: undefined };
    }
  }

  #conditional(key: string): BatchOperation {
    const write = this.#write(key, 0.7);
    return {
      kind: "batch",
      compares: [{ key, condition: this.#condition(key) }],
      writes: [write],
      result: undefined,
    };
  }

  /** With at least one put, by whose value it can be told in the log. */
  #batch(): BatchOperation {
    const random = this.#random;
    const [first = "", ...others] = random.shuffle(this.#uses.batchKeys);
    const written = others.slice(0, random.below(3));
    const writes = [this.#write(first, 1), ...written.map((key) => this.#write(key, 0.7))];
    const compared = random.shuffle(this.#uses.batchKeys).slice(0, random.pick([0, 0, 0, 1, 2]));
    const compares = compared.map((key) => ({ key, condition: this.#condition(key) }));
    return { kind: "batch", compares, writes: random.shuffle(writes), result: undefined };
  }

  #write(key: string, puts: number): BatchWrite {
    if (this.#random.chance(puts)) return { kind: "put", key, value: this.#value() };
    return deleteOf(key);
  }

  /** Mostly one that holds, as far as is known. */
  #condition(key: string): Condition {
    const random = this.#random;
    const revision = this.#known.revisions.get(key) ?? 0;
    const absent: Condition = { kind: "absent" };
    const present: Condition = { kind: "present" };
    const same: Condition = { kind: "revision", revision: Math.max(1, revision) };
    const likely = revision === 0 ? absent : random.pick([present, same, same]);
    return random.chance(0.8) ? likely : random.pick([present, absent, same]);
  }

  #value(): string {
    return `${this.#name}-${++this.#written}`;
  }
}

/** Takes note of what an answer tells. */
export function learn({ revisions }: Known, operation: StoreOperation): void {
  if (operation.kind === "expire" || operation.result === undefined) return;
  switch (operation.kind) {
    case "scan":
      for (const key of operation.keys) revisions.set(key, 0);
      for (const { key, revision } of operation.result.found) revisions.set(key, revision);
      return;
    case "batch": {
      const { refused, revision } = operation.result;
      if (refused !== undefined) revisions.set(refused, revision);
      else for (const { kind, key } of operation.writes) revisions.set(key, kind === "put" ? revision : 0);
      return;
    }
    default:
      revisions.set(operation.key, revisionAfter(operation));
  }
}

export function keysOf(operation: StoreOperation | ScanOperation): readonly string[] {
  if (operation.kind === "scan") return operation.keys;
  if (operation.kind !== "batch") return [operation.key];
  return [...operation.compares, ...operation.writes].map(({ key }) => key);
}

function revisionAfter({ kind, result }: KeyOperation): number {
  return kind === "delete" || result === undefined || result === "not-found" ? 0 : result.revision;
}

function deleteOf(key: string): BatchWrite {
  return { kind: "delete", key };
}

function pickBy(random: Random, mix: Uses["mix"]): CallKind {
  let left = random.between(
    0,
    callKinds.reduce((sum, kind) => sum + mix[kind], 0),
  );
  for (const kind of callKinds) {
    left -= mix[kind];
    if (left < 0) return kind;
  }
  return "get";
}

export function describe({ operation, ttlMs }: Errand): string {
  const lives = ttlMs === undefined ? "" : ` for ${ttlMs} ms`;
  switch (operation.kind) {
    case "put":
      return `put ${operation.key}=${operation.value}${lives}`;
    case "batch": {
      const conditions = operation.compares.map(({ key, condition }) => {
        return `${key} ${condition.kind === "revision" ? condition.revision : condition.kind}`;
      });
      const writes = operation.writes.map(
        (each) => `${each.kind} ${each.key}${each.kind === "put" ? `=${each.value}` : ""}`,
      );
      return `${conditions.length > 0 ? `if ${conditions.join(", ")}: ` : ""}${writes.join(", ")}${lives}`;
    }
    case "scan":
      return "scan";
    default:
      return `${operation.kind} ${operation.key}`;
  }
}
