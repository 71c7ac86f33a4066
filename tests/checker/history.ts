/** What clients asked of a store and what they were told, as far as time can order it. */

/** One call of one client. */
export interface Call<Operation> {
  readonly client: number;
  /** What was asked, and what was answered. */
  readonly operation: Operation;
  /** When it was sent, on any clock that never goes back and is the same for all clients. */
  readonly called: number;
  /**
   * When its answer came, on the same clock. Undefined when none came: the call may then take effect at any time
   * after it was sent, or never. When one call returns in the very moment in which another is sent, either may have
   * been first: a clock that is too coarse can hide a violation, but cannot invent one.
   */
  readonly returned: number | undefined;
}

/** Calls that certainly took no effect are left out. */
export type History<Operation> = readonly Call<Operation>[];

/** About 1 ns: what keeps two events apart for which the clock shows the same time. */
const tickMs = 2 ** -20;

/** Records the calls of concurrent clients in one process. */
export class HistoryRecorder<Operation> {
  readonly #nowMs: () => number;
  readonly #calls = new Map<number, Call<Operation>>();
  readonly #open = new Set<number>();
  #lastMs = Number.NEGATIVE_INFINITY;
  #nextId = 0;

  /** `nowMs` counts from the start of the process or of the simulation: wall clock times leave no room for ticks. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** To be called just before the request leaves, with the operation as it is without an answer. Returns its id. */
  invoke(client: number, operation: Operation): number {
    const id = this.#nextId++;
    this.#calls.set(id, { client, operation, called: this.#tick(), returned: undefined });
    this.#open.add(id);
    return id;
  }

  /**
   * The answer has come: `operation` is what was invoked together with its result. `others`: what it tells besides, each
   * of another moment of the same call.
   */
  complete(id: number, operation: Operation, others: readonly Operation[] = []): void {
    const call = { ...this.#close(id), returned: this.#tick() };
    this.#calls.set(id, { ...call, operation });
    for (const other of others) this.#calls.set(this.#nextId++, { ...call, operation: other });
  }

  /** The call is over and nobody can say whether it took effect, or will. */
  unknown(id: number): void {
    this.#close(id);
  }

  /** The call is over, and certainly neither took effect nor read anything. */
  failed(id: number): void {
    this.#close(id);
    this.#calls.delete(id);
  }

  /** Everything so far; calls still under way are of unknown outcome. */
  history(): History<Operation> {
    return [...this.#calls.values()];
  }

  #close(id: number): Call<Operation> {
    const call = this.#calls.get(id);
    if (call === undefined || !this.#open.delete(id)) throw new RangeError(`call ${id} is not under way`);
    return call;
  }

  /** Events in one process have an order, also within one reading of the clock. */
  #tick(): number {
    const timeMs = Math.max(this.#nowMs(), this.#lastMs + tickMs);
    if (timeMs <= this.#lastMs)
      throw new RangeError(`${timeMs} ms is too large to be told from its neighbours`);
    this.#lastMs = timeMs;
    return timeMs;
  }
}
