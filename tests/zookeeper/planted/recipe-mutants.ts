import type { Mutant } from "../../simulation/planted/mutant.ts";

/** A bug that a test of the recipes must find. */
export interface RecipeMutant extends Pick<Mutant, "name" | "edits"> {
  /** The title of the test. */
  readonly test: string;
}

const recipes = "zookeeper/recipes";

/** Bugs that users of other clients were bitten by, and the like. */
export const recipeMutants: readonly RecipeMutant[] = [
  {
    name: "a holder is not told that its session is disconnected",
    test: "tells a holder that its session is disconnected",
    edits: [
      [
        `${recipes}/held.ts`,
        `connected.addEventListener("abort", disconnect, { once: true });`,
        "void disconnect;",
      ],
    ],
  },
  {
    name: "a holder is not told that its znode was deleted",
    test: "tells a holder whose znode was deleted",
    edits: [[`${recipes}/held.ts`, "    this.#watch();\n", ""]],
  },
  {
    name: "all who wait watch the first contender",
    test: "wakes one of those who wait",
    edits: [[`${recipes}/lock.ts`, "findLast(", "find("]],
  },
  {
    name: "a contender whose create has no answer makes another one",
    test: "is one contender, whether or not",
    edits: [[`${recipes}/lock.ts`, "await createProtected(\n        client,", "await client.create("]],
  },
  {
    name: "who gives up stays a contender",
    test: "leaves nothing behind of those who give up",
    edits: [[`${recipes}/lock.ts`, "    deleteLater(client, own.path);\n", ""]],
  },
  {
    name: "a reader does not wait for writers",
    test: "lets readers in together, and a writer alone",
    edits: [
      [`${recipes}/lock.ts`, `{ kind: "read", waitsFor: ["write"] }`, `{ kind: "read", waitsFor: [] }`],
    ],
  },
  {
    name: "a writer does not wait for readers",
    test: "lets readers in together, and a writer alone",
    edits: [[`${recipes}/lock.ts`, `waitsFor: ["write", "read"]`, `waitsFor: ["write"]`]],
  },
  {
    name: "numbers that have run over come first",
    test: "knows the order of numbers that have run over",
    edits: [[`${recipes}/contenders.ts`, "return (a - b) | 0;", "return a - b;"]],
  },
  {
    name: "one lease more is given away than there are",
    test: "gives away as many leases as there are",
    edits: [[`${recipes}/semaphore.ts`, "children.length >= maxLeases", "children.length > maxLeases"]],
  },
  {
    name: "what an earlier use has left lets others into a double barrier",
    test: "lets nobody in because of what an earlier use has left",
    edits: [[`${recipes}/double-barrier.ts`, "ready.czxid > own.stat.czxid", "true"]],
  },
  {
    name: "those inside a double barrier count as waiting",
    test: "lets nobody in because of what an earlier use has left",
    edits: [
      [`${recipes}/double-barrier.ts`, ".filter(({ stat }) => stat.version === 0)", ""],
      [`${recipes}/double-barrier.ts`, "version: 0 })", "version: -1 })"],
    ],
  },
  {
    name: "who was disconnected when a double barrier opened is not let in",
    test: "lets in who was disconnected",
    edits: [[`${recipes}/double-barrier.ts`, "if (mine.stat.version > 0)", "if (mine.stat.version > 1)"]],
  },
  {
    name: "an addition without an answer is made again",
    test: "adds once, whether or not the answer is lost",
    edits: [
      [`${recipes}/counter.ts`, "if (error.maybeApplied) return this.#settle(error, marker, call);", ""],
    ],
  },
  {
    name: "a taker does not look for its claim when the answer was lost",
    test: "claims and removes each item once when answers are lost",
    edits: [
      [`${recipes}/queue/claim.ts`, "if (isRepeated && (await this.#isHeld(options))) return true;", ""],
    ],
  },
  {
    name: "who has released an item takes the claim of the next one away",
    test: "never takes it back from them",
    edits: [[`${recipes}/queue/claim.ts`, "if (await this.#isHeld(options)) await", "await"]],
  },
  {
    name: "a taker that gives up keeps the claim that comes later",
    test: "keeps no claim for a taker that gives up",
    edits: [[`${recipes}/queue/queue.ts`, "giveBack(claiming);", "void giveBack;"]],
  },
  {
    name: "a cache does not read again what it may have missed",
    test: "makes up for what it has missed without a connection, by a persistent watch",
    edits: [
      [
        `${recipes}/cache/znode-cache.ts`,
        `(type === "missed") this.#read(this.#path, "all");`,
        `(type === "missed") return;`,
      ],
    ],
  },
  {
    name: "a znode that was created again counts as changed",
    test: "makes up for what it has missed without a connection, by a persistent watch",
    edits: [
      [`${recipes}/cache/cached-tree.ts`, "if (stat.czxid > before.stat.czxid)", "if (stat.czxid < 0n)"],
    ],
  },
  {
    name: "an instance changes the znode of its earlier life, which goes with that one's session",
    test: "takes the place of its earlier life",
    edits: [
      [
        `${recipes}/discovery/registration.ts`,
        "found.stat.ephemeralOwner !== client.sessionId",
        "found.stat.version < 0",
      ],
    ],
  },
  {
    name: "a view is empty until a new session has read everything",
    test: "stays in the views meanwhile",
    edits: [
      [
        `${recipes}/discovery/service-view.ts`,
        "if (isInitialized) this.#tell",
        "void isInitialized; this.#tell",
      ],
    ],
  },
  {
    name: "a transaction that a server has still to hear of was not begun",
    test: "knows a transaction that its server has still to hear of",
    edits: [
      [
        `${recipes}/two-phase-commit/transaction-board.ts`,
        "await this.#client.sync(this.pathOf(id), UNTIL_SESSION_ENDS);",
        "",
      ],
    ],
  },
  {
    name: "a transaction is committed without all votes",
    test: "is decided by the participants when its coordinator has died",
    edits: [
      [
        `${recipes}/two-phase-commit/transaction.ts`,
        `participants.every(({ vote }) => vote === "yes")`,
        `participants.some(({ vote }) => vote === "yes")`,
      ],
    ],
  },
  {
    name: "a later decision takes the place of the first one",
    test: "keeps the first decision when another one comes later",
    edits: [
      [
        `${recipes}/two-phase-commit/transaction-board.ts`,
        "{ version: UNDECIDED, ...UNTIL_SESSION_ENDS }",
        "UNTIL_SESSION_ENDS",
      ],
    ],
  },
];
