import type { Mutant } from "./mutant.ts";

const destination = "cluster/move/move-destination.ts";
const source = "cluster/move/move-source.ts";
const strays = "cluster/move/stray-keys.ts";
const ownership = "cluster/node/ownership.ts";

/** Bugs in how keys move from group to group. About half of the seeds have a ring that changes. */
export const moveMutants: readonly Mutant[] = [
  {
    name: "a seal holds no writes",
    promise: "a move loses no acknowledged write",
    withinSeeds: 60,
    edits: [[ownership, 'if (use === "write" && move', 'if (use === "write" && ring.version < 0 && move']],
  },
  {
    name: "keys are released before everything was copied",
    promise: "a move loses no acknowledged write",
    withinSeeds: 60,
    edits: [
      [destination, "isSealed = true;", "return { revision: 0, requestsAfter: 0 };"],
      [source, "attempt.seal === undefined || !isWhole", "attempt.seal === undefined || (isWhole && false)"],
    ],
  },
  {
    name: "an attempt keeps what the one before has copied",
    promise: "a key that was deleted during a move does not come back",
    withinSeeds: 300,
    edits: [[destination, "isForgotten: (key) => this.#isMoved(key),", "isForgotten: () => false,"]],
  },
  {
    name: "a copy gets a revision of its source's log",
    promise: "a key keeps its revision when it moves",
    withinSeeds: 60,
    edits: [[source, "revision: mark?.revision ?? store.revisionOf(seq) }", "revision: seq }"]],
  },
  {
    name: "keys are accepted without skipping ahead",
    promise: "a key's revision only rises, also when it moves to a group with a shorter log",
    withinSeeds: 60,
    edits: [
      [
        destination,
        "Math.max(store.revisionOf(seq) + 1, revision + skippedRevisions) - seq",
        "store.revisionOf(seq) + 1 - seq",
      ],
    ],
  },
  {
    name: "uncommitted records are copied",
    promise: "what is copied was committed",
    withinSeeds: 120,
    edits: [[source, "records.filter(({ seq }) => seq <= store.visible.seq)", "records"]],
  },
  {
    name: "a copy loses its time to live",
    promise: "a key keeps its time to live when it moves",
    withinSeeds: 60,
    edits: [
      [source, "          previous: 0,\n", "          previous: 0,\n          expiresMs: undefined,\n"],
    ],
  },
  {
    name: "copies do not name the requests that they answer",
    promise: "a request is carried out once, though it is sent again to the next owner of its key",
    withinSeeds: 60,
    edits: [
      [
        destination,
        "({ changes, requestId, move }) => ({ changes, requestId, move })",
        "({ changes, requestId, move }) => ({ changes, move, requestId: changes.length > 0 ? undefined : requestId })",
      ],
    ],
  },
  {
    name: "a group that accepts keys does not know which requests their former group has forgotten",
    promise:
      "a request that may have been carried out elsewhere, and was forgotten, is not carried out again",
    withinSeeds: 200,
    edits: [[destination, "revision, ahead, requestsAfter },", "revision, ahead, requestsAfter: 0 },"]],
  },
  {
    name: "a source serves keys that it has released",
    promise: "no two groups serve a key",
    withinSeeds: 60,
    edits: [
      [
        ownership,
        "return ring.change?.id === change && released",
        "return ring.change?.id === -change && released",
      ],
    ],
  },
  {
    name: "a destination serves keys before the ring says so",
    promise: "no two groups serve a key",
    withinSeeds: 200,
    edits: [
      [
        ownership,
        'if (placement.owner(key) !== this.#options.group) return "elsewhere";',
        `const from = placement.moveOf(key);
    const hasAccepted = from?.to === this.#options.group && this.#options.keys.moves.accepted.has(from.from);
    if (hasAccepted) return "served";
    if (placement.owner(key) !== this.#options.group) return "elsewhere";`,
      ],
    ],
  },
  {
    name: "a group ends expired keys that another one has",
    promise: "only the owner of a key writes it",
    withinSeeds: 200,
    edits: [["cluster/kv/expiry.ts", " && guard.takesWrites(key))", ")"]],
  },
  {
    name: "copies are taken for strays while their move is under way",
    promise: "a destination has all that was copied",
    withinSeeds: 200,
    edits: [[strays, " && placement.moveOf(key)?.to !== group;", ";"]],
  },
  {
    name: "a release is answered before it is committed",
    promise: "what was released stays so",
    withinSeeds: 100,
    edits: [
      [
        source,
        "await log.committed(seq, signal);\n    } finally",
        "void log.committed(seq, signal).catch(() => {});\n    } finally",
      ],
    ],
  },
  {
    name: "a move is done without a release",
    promise: "no two groups serve a key",
    withinSeeds: 20,
    edits: [[destination, 'await this.#step({ kind: "release" });', ""]],
  },
  {
    name: "keys are accepted before that is committed",
    promise: "what a source has released is on the disks of the destination",
    withinSeeds: 200,
    edits: [[destination, "await log.committed(accepted, primary.ended);", "void accepted;"]],
  },
];
