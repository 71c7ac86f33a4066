import type { Mutant } from "./mutant.ts";

const groupState = "cluster/replication/group-state.ts";
const recovery = "cluster/election/recovery.ts";
const recovered = "epoch: epoch + 1, primary: transition.to, inSync: [transition.to] };";

/** Bugs in what an operator does to a group whose in-sync replicas are lost, and in how all others take it. */
export const recoveryMutants: readonly Mutant[] = [
  {
    name: "a recovery makes another replica primary than the one that it tells of",
    promise: "an operator is told which replica the group goes on with",
    withinSeeds: 20,
    focus: ["lost group"],
    edits: [
      [
        recovery,
        'const transition = { kind: "recover", to: { number, incarnation } } as const;',
        `const last = survivors.at(-1) ?? { number, incarnation };
  const to = { number: last.number, incarnation: last.incarnation };
  const transition = { kind: "recover", to } as const;`,
      ],
    ],
  },
  {
    name: "a recovery leaves the replicas that are gone in sync",
    promise: "a recovered replica is alone in sync",
    withinSeeds: 5,
    focus: ["lost group"],
    edits: [
      [
        groupState,
        recovered,
        "epoch: epoch + 1, primary: transition.to, inSync: sorted([...without(inSync, transition.to.number), transition.to]) };",
      ],
    ],
  },
  {
    name: "a recovery does not raise the epoch",
    promise: "an epoch has one primary",
    withinSeeds: 5,
    focus: ["lost group"],
    edits: [
      [groupState, recovered, "epoch, primary: transition.to, inSync: [transition.to] };"],
      [groupState, "next.epoch === before.epoch + (isNew ? 1 : 0),", "next.epoch >= before.epoch || isNew,"],
    ],
  },
  {
    name: "a group is recovered without an operator's word",
    promise: "acknowledged writes are given up by an operator alone",
    withinSeeds: 10,
    focus: ["lost group"],
    edits: [
      [
        recovery,
        'if (consent === "any") return undefined;',
        'if (consent === "any" || consent === "none") return undefined;',
      ],
    ],
  },
  {
    name: "a replica that was recovered in its earlier life does not rejoin",
    promise: "a group whose primary's machine is well is served",
    withinSeeds: 100,
    focus: ["lost group", "pause", "partition", "session expiry"],
    edits: [
      ["cluster/node/data-node.ts", "this.#joining.observe(view);", ""],
      // Slow enough that the replica may register again meanwhile.
      [
        recovery,
        "if (!register.connected) {",
        "await new Promise<void>((resolve) => options.clock.timer(3000, resolve));\n  if (!register.connected) {",
      ],
    ],
  },
  {
    name: "a request that comes after a revision that was given up is carried out",
    promise: "a write is applied once at most, though its sender has seen what was given up",
    withinSeeds: 100,
    focus: ["lost group", "answer lost", "kill"],
    edits: [["cluster/kv/write-plan.ts", " && afterRevision <= store.lastRevision;", ";"]],
  },
  {
    name: "a replica that was not in sync keeps what the group has given up",
    promise: "a recovered group becomes whole again",
    withinSeeds: 300,
    focus: ["lost group", "partition", "session expiry", "compaction"],
    edits: [
      [
        "cluster/replication/standby.ts",
        "if (before < store.committedSeq && this.#isOutside(epoch, primary)) {",
        "if (before < 0 && this.#isOutside(epoch, primary)) {",
      ],
    ],
  },
  {
    name: "consent to a loss counts for every later one",
    promise: "an operator gives up what the operator was told of, and nothing that was acknowledged since",
    withinSeeds: 400,
    focus: ["lost group", "pause", "partition"],
    edits: [[recovery, "if (consent.epoch !== epoch) {", "if (consent.epoch > epoch) {"]],
  },
  {
    name: "whoever has the address of a replica tells where its log ends",
    promise: "the replica with most of the log is chosen",
    withinSeeds: 450,
    focus: ["lost group", "kill", "partition"],
    edits: [["cluster/node/peer-service.ts", "if (number !== 0 && (self", "if (number < 0 && (self"]],
  },
];
