import { invariant } from "./invariant.ts";

/** Runs tasks one after another, in the order of the calls. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();
  #turn: Turn | undefined;

  run<T>(task: (turn: Turn) => Promise<T>): Promise<T> {
    const result = this.#last.then(() => this.#run(task));
    this.#last = result.catch(() => {});
    return result;
  }

  /** Throws an InvariantError unless `turn` is that of the task that this queue is running now. */
  check(turn: Turn): void {
    invariant(turn === this.#turn, "a step that must not overlap with others was made outside its turn");
  }

  async #run<T>(task: (turn: Turn) => Promise<T>): Promise<T> {
    const turn = new Turn();
    this.#turn = turn;
    try {
      return await task(turn);
    } finally {
      this.#turn = undefined;
    }
  }
}

/** Shows that its holder is the task that a serial queue is running. What must not overlap takes it as a parameter. */
export class Turn {
  /** Keeps objects of other classes from being taken for turns. */
  declare protected readonly isTurn: true;
}
