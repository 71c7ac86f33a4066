import type { Mutant } from "./mutant.ts";

const pipeline = "cluster/replication/commit-pipeline.ts";
const inSyncSet = "cluster/replication/in-sync-set.ts";

/** The set does not look at whom it waits for. What comes of that is to be found. */
const requiredIsUnchecked: Mutant["edits"] = [[inSyncSet, "    this.#check();\n", ""]];

const changeIsForgotten: Mutant["edits"] = [
  [inSyncSet, "for (const member of this.#change.inSync) all.set(memberKey(member), member);", ""],
  ...requiredIsUnchecked,
];

/** Bugs in who is in sync, and in what that requires. */
export const inSyncMutants: readonly Mutant[] = [
  {
    name: "a standby joins one record too early",
    promise: "who is in sync has everything that is committed",
    withinSeeds: 30,
    edits: [
      [
        pipeline,
        "return Math.max(this.#committedSeq, this.#epochSeq);",
        "return Math.max(this.#committedSeq, this.#epochSeq) - 1;",
      ],
    ],
  },
  {
    name: "a standby joins a primary that is still taking over with what it has",
    promise: "until its epoch is committed, a primary takes all of its log for acknowledged",
    withinSeeds: 30,
    focus: ["late news", "session expiry", "double crash"],
    edits: [
      [
        pipeline,
        "return Math.max(this.#committedSeq, this.#epochSeq);",
        "return Math.max(this.#committedSeq, 1);",
      ],
      // No bug, but what it takes to be behind by more than one message.
      ["cluster/replication/settings.ts", "batchBytesMax = 256 * 1024", "batchBytesMax = 1"],
    ],
  },
  {
    name: "a silent standby is left behind before the compare-and-set",
    promise: "nothing is acknowledged without an in-sync member",
    withinSeeds: 20,
    focus: ["pause", "zookeeper cut"],
    edits: [
      [
        inSyncSet,
        "[...all.values()].filter((member) => member.number !== this.#term.primary);",
        "[...all.values()].filter((member) => member.number !== this.#term.primary && !this.#leaving.has(memberKey(member)));",
      ],
      ...requiredIsUnchecked,
    ],
  },
  {
    name: "a joining standby is required only once the state shows it",
    promise: "whatever the state may say at this moment, its members hold what is acknowledged",
    withinSeeds: 30,
    edits: [
      [inSyncSet, "for (const [key, member] of this.#joining) all.set(key, member);", ""],
      ...changeIsForgotten,
    ],
  },
  {
    name: "a change of unknown outcome is taken for undone",
    promise: "while it is unknown whether a standby has joined, it is required",
    withinSeeds: 30,
    focus: ["join in doubt", "pause"],
    edits: changeIsForgotten,
  },
  {
    name: "a damaged replica claims its place in the in-sync set",
    promise: "who has lost acknowledged records cannot become primary",
    withinSeeds: 30,
    focus: ["bit flip"],
    edits: [
      [
        "cluster/replication/rejoin.ts",
        'if (condition.kind === "damaged") return `it is',
        "if (store.keyCount < 0) return `it is",
      ],
    ],
  },
  {
    name: "two lives of one replica are in the set",
    promise: "the state names a replica once, and can be read",
    withinSeeds: 10,
    focus: ["session expiry"],
    edits: [
      [
        "cluster/replication/group-state.ts",
        "sorted([...without(inSync, self.number), self])",
        "sorted([...inSync, self])",
      ],
    ],
  },
  {
    name: "minsync is not looked at",
    promise: "a write is on as many disks as minsync asks for",
    withinSeeds: 60,
    edits: [
      [pipeline, "if (members < settings.minSync) {", "if (members < 0) {"],
      [pipeline, "return inSync.members.length < settings.minSync ?", "return inSync.members.length < 0 ?"],
    ],
  },
];
