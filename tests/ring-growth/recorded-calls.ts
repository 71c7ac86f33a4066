import { Latencies } from "../bench/latencies.ts";
import { HistoryRecorder } from "../checker/history.ts";
import { type KeyOperation, keyValueModel } from "../checker/key-value-model.ts";
import { checkLinearizability } from "../checker/linearizability.ts";
import { describeViolation } from "../checker/report.ts";
import { Random } from "../simulation/world/random.ts";
import type { Recorded } from "../support/told-events.ts";
import type { Caller } from "./callers.ts";

/** Longest time between two calls of a client, which would else keep every core busy. */
const restMsMax = 40;

/**
 * Clients that call for the same keys, one call after another, until they are told to end. No call may fail. Keys whose
 * names begin with `deleted` are also deleted.
 */
export class RecordedCalls {
  readonly #keys: readonly string[];
  readonly #history = new HistoryRecorder<KeyOperation>(() => performance.now());
  #latencies = new Latencies();
  #calling: Promise<unknown> = Promise.resolve();
  #isOver = false;
  count = 0;

  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  /** Each key is put once; then the clients go on by themselves. */
  async begin(callers: readonly Caller[]): Promise<void> {
    const clients = callers.map((caller, number) => ({ caller, number }));
    await Promise.all(
      clients.map(async ({ caller, number }) => {
        const own = this.#keys.filter((_, index) => index % clients.length === number);
        for (const key of own) await this.#call(number, caller, put(key, `${number}-first`));
      }),
    );
    this.#calling = Promise.all(clients.map(({ caller, number }) => this.#callOn(number, caller)));
    // Told by `end` and `failed`.
    this.#calling.catch(() => {});
  }

  /** Rejects as soon as a call has failed. */
  async failed(): Promise<never> {
    await this.#calling;
    return await new Promise(() => {});
  }

  /** Lets the clients end. Rejects with what has failed. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#calling;
  }

  /** Of the calls since this was asked last. */
  takeLatencies(): Latencies {
    const latencies = this.#latencies;
    this.#latencies = new Latencies();
    return latencies;
  }

  /** By key, all changes, in order. */
  get written(): Map<string, Recorded[]> {
    const written = new Map<string, Recorded[]>();
    for (const { operation } of this.#history.history()) {
      const { kind, key, result } = operation;
      if (kind === "get" || result === undefined || result === "not-found") continue;
      const value = kind === "put" ? operation.value : undefined;
      const changes = written.get(key) ?? [];
      changes.push({ value, revision: result.revision });
      written.set(key, changes);
    }
    for (const changes of written.values()) changes.sort((a, b) => a.revision - b.revision);
    return written;
  }

  /** In lines of text: nothing when the history of every key is linearizable. */
  judge(): string[] {
    const verdict = checkLinearizability(keyValueModel, this.#history.history());
    if (verdict.verdict === "linearizable") return [];
    if (verdict.verdict === "violation") return describeViolation(keyValueModel, verdict.violation);
    return [`too long to be checked: the histories of ${verdict.parts.join(", ")}`];
  }

  async #callOn(number: number, caller: Caller): Promise<void> {
    const random = new Random(`client ${number}`);
    for (let call = 0; !this.#isOver; call++) {
      const key = random.pick(this.#keys);
      const kind = random.pick(["get", "put", key.startsWith("deleted") ? "delete" : "get"] as const);
      await this.#call(
        number,
        caller,
        kind === "put" ? put(key, `${number}-${call}`) : { kind, key, result: undefined },
      );
      await new Promise((resolve) => setTimeout(resolve, random.between(0, restMsMax)));
    }
  }

  async #call(number: number, caller: Caller, asked: KeyOperation): Promise<void> {
    const id = this.#history.invoke(number, asked);
    const begunMs = performance.now();
    try {
      this.#history.complete(id, await caller(asked));
    } catch (error) {
      throw new Error(`client ${number}: ${keyValueModel.describe(asked)}: ${error}`, { cause: error });
    }
    this.#latencies.add(performance.now() - begunMs);
    this.count++;
  }
}

function put(key: string, value: string): KeyOperation {
  return { kind: "put", key, value, result: undefined };
}
