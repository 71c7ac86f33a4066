import type { Mutant } from "./mutant.ts";

/** A bug that a unit test must find, for which the simulation is too coarse. */
export interface UnitMutant extends Pick<Mutant, "name" | "edits"> {
  /** The test, in the folder of all tests. */
  readonly test: string;
}

const deadlines = "common/deadlines.ts";
const shared = "rpc/deadline.ts";
const client = "client/deadline.ts";

/** Bugs in the deadlines of calls. */
export const deadlineMutants: readonly UnitMutant[] = [
  {
    name: "an earlier deadline waits for the timer of a later one",
    test: "common/deadlines.test.ts",
    edits: [[deadlines, "if (expiring.dueMs < this.#timerMs)", "if (this.#waiting.size === 1)"]],
  },
  {
    name: "deadlines after the first are never noticed",
    test: "common/deadlines.test.ts",
    edits: [[deadlines, "if (nextMs < Number.POSITIVE_INFINITY) this", "if (nextMs < 0) this"]],
  },
  {
    name: "a deadline is noticed with an earlier one",
    test: "common/deadlines.test.ts",
    edits: [
      [
        deadlines,
        "if (expiring.dueMs <= nowMs) over",
        "if (expiring.dueMs <= nowMs || over.length > 0) over",
      ],
    ],
  },
  {
    name: "a deadline that has ended is noticed",
    test: "common/deadlines.test.ts",
    edits: [
      [deadlines, "if (this.#waiting.delete(expiring) && this.#waiting.size === 0) this.#stopTimer();", ""],
    ],
  },
  {
    name: "a deadline that has ended with another is noticed",
    test: "common/deadlines.test.ts",
    edits: [[deadlines, "if (this.#waiting.delete(expiring)) expiring", "expiring"]],
  },
  {
    name: "a timer is left when all deadlines have ended",
    test: "common/deadlines.test.ts",
    edits: [
      [
        deadlines,
        " && this.#waiting.size === 0) this.#stopTimer",
        " && this.#waiting.size < 0) this.#stopTimer",
      ],
    ],
  },
  {
    name: "a shared deadline is never noticed",
    test: "rpc/deadline.test.ts",
    edits: [[shared, "      this.#deadlines.add(this);\n", ""]],
  },
  {
    name: "a shared deadline ends with the first of its calls",
    test: "rpc/deadline.test.ts",
    edits: [[shared, "if (--this.#holders === 0)", "if (--this.#holders > 0)"]],
  },
  {
    name: "a shared deadline outlives its calls",
    test: "rpc/deadline.test.ts",
    edits: [[shared, "if (--this.#holders === 0)", "if (--this.#holders < 0)"]],
  },
  {
    name: "a deadline of the client outlives its call",
    test: "client/deadline.test.ts",
    edits: [[client, "    this.#deadlines.delete(this);\n", ""]],
  },
  {
    name: "a deadline of the client tells who has left",
    test: "client/deadline.test.ts",
    edits: [
      [
        client,
        "if (this.#listener === listener) this.#listener = undefined;",
        "if (this.#others === undefined) return;",
      ],
    ],
  },
  {
    name: "a deadline of the client tells nobody",
    test: "client/deadline.test.ts",
    edits: [[client, "for (const listener of listeners) listener?.ended(reason);", "void listeners;"]],
  },
];
