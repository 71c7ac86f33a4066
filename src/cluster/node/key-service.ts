import type { GroupScan } from "../kv/served-scan.ts";
import type { Condition, RequestId, WriteOperation, WriteRequest } from "../kv/write-plan.ts";
import { OperationError } from "../metadata/operation-error.ts";
import type { KeyRange, StoredValue } from "../storage/key-view.ts";
import type { WatchStep } from "../watch/step.ts";
import type { WatchOptions } from "../watch/watcher.ts";
import { checkBatch, checkKey, checkRequestId, checkTtl, checkValue } from "./limits.ts";
import type { Ownership } from "./ownership.ts";

export interface WriteOptions {
  readonly condition?: Condition | undefined;
  readonly requestId?: RequestId | undefined;
}

export interface PutOptions extends WriteOptions {
  /** Undefined: the key does not expire. */
  readonly ttlMs?: number | undefined;
}

export interface Put extends PutOptions {
  readonly key: string;
  readonly value: Uint8Array;
  readonly text: boolean;
}

/** The calls of clients on a data node. Checks each call, and passes it to the state machine of the group's keys. */
export class KeyService {
  readonly #ownership: Ownership;
  readonly #valueBytesMax: number;
  #count = 0;

  constructor(ownership: Ownership, valueBytesMax: number) {
    this.#ownership = ownership;
    this.#valueBytesMax = valueBytesMax;
  }

  /** How many calls there were. A get that `getNow` cannot answer counts twice, and a watch does not count. */
  get count(): number {
    return this.#count;
  }

  /** Errors: those of `kvlab.v1.DataService.Get`. */
  async get(key: string, signal: AbortSignal): Promise<StoredValue> {
    this.#count++;
    checkKey(key);
    return await this.#ownership.ofKey(key).read(key, signal);
  }

  /** As `get`, if the value is at hand in this turn; undefined if something has to be waited for. */
  getNow(key: string): StoredValue | undefined {
    this.#count++;
    checkKey(key);
    return this.#ownership.ofKey(key).readNow(key);
  }

  /** Returns the revision. Errors: those of `kvlab.v1.DataService.Put`. */
  put({ key, value, text, condition, requestId, ttlMs }: Put, signal: AbortSignal): Promise<number> {
    const operations = [{ kind: "put" as const, key, value, text, ttlMs }];
    return this.write({ compares: comparesOf(key, condition), operations, requestId }, signal);
  }

  /** Returns the revision. Errors: those of `kvlab.v1.DataService.Delete`. */
  async delete(key: string, signal: AbortSignal, options: WriteOptions = {}): Promise<number> {
    const { condition, requestId } = options;
    const compares = comparesOf(key, condition ?? { kind: "present" });
    try {
      return await this.write({ compares, operations: [{ kind: "delete", key }], requestId }, signal);
    } catch (error) {
      const isAbsent =
        condition === undefined && error instanceof OperationError && error.code === "condition-failed";
      throw isAbsent ? new OperationError("not-found", error.message) : error;
    }
  }

  /** Returns the revision. Errors: those of `kvlab.v1.DataService.Batch`. */
  async write(request: WriteRequest, signal: AbortSignal): Promise<number> {
    this.#count++;
    const { compares, operations, requestId } = request;
    const keys = [...compares, ...operations].map(({ key }) => key);
    for (const key of keys) checkKey(key);
    checkBatch(operations, this.#valueBytesMax);
    for (const operation of operations) checkOperation(operation, this.#valueBytesMax);
    if (requestId !== undefined) checkRequestId(requestId.id);
    const machine = await this.#ownership.forWrite(keys);
    return await machine.write(request, signal);
  }

  /** Opens a scan of this node's group. It must be closed. Errors: those of `kvlab.v1.DataService.Scan`. */
  async scan(range: KeyRange, signal: AbortSignal): Promise<GroupScan> {
    this.#count++;
    for (const key of [range.prefix, range.start, range.end, range.after]) checkKey(key ?? "");
    return await this.#ownership.ofGroup().scan(range, signal);
  }

  /**
   * The changes of keys of this node's group, until `signal` is aborted. Errors: those of
   * `kvlab.v1.DataService.Watch`.
   */
  async *watch(options: WatchOptions, signal: AbortSignal): AsyncGenerator<WatchStep, void, void> {
    const { scope } = options;
    if (scope.kind !== "all") checkKey(scope.kind === "key" ? scope.key : scope.prefix);
    yield* this.#ownership.ofGroup().watch(options, signal);
  }
}

function comparesOf(key: string, condition: Condition | undefined) {
  return condition === undefined ? [] : [{ key, condition }];
}

function checkOperation(operation: WriteOperation, valueBytesMax: number): void {
  if (operation.kind !== "put") return;
  checkValue(operation.value, valueBytesMax);
  checkTtl(operation.ttlMs);
}
