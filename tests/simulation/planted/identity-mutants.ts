import type { Mutant } from "./mutant.ts";

const register = "cluster/replication/rejoin.ts";
const joining = "cluster/node/joining.ts";
const open = "cluster/storage/open.ts";

/** Bugs in telling whose log a log is, and whether it is all of it. */
export const identityMutants: readonly Mutant[] = [
  {
    name: "the floor is ignored",
    promise: "a log that lacks what was acknowledged before the floor was raised loses its place in sync",
    withinSeeds: 60,
    focus: ["old log"],
    edits: [[register, "floor !== undefined && !holds(store, floor)", "floor !== undefined && !holds"]],
  },
  {
    name: "later lives are ignored",
    promise: "an older copy of a log loses its place in sync when a process has gone on since",
    withinSeeds: 300,
    focus: ["old log", "kill"],
    edits: [[register, "if (hasLater) return", "if (hasLater && !holds) return"]],
  },
  {
    name: "a log in doubt notes a life before it is judged",
    promise: "what tells an older copy stays until it is out of the set",
    withinSeeds: 800,
    focus: ["old log", "session expiry", "zookeeper cut"],
    edits: [[register, "  const doubt = doubtOf(", "  await settleLog(options);\n  const doubt = doubtOf("]],
  },
  {
    name: "a member in doubt keeps its place when others are there",
    promise: "a log that is not known to be whole is not in sync",
    withinSeeds: 60,
    focus: ["old log", "flipped bit"],
    edits: [[register, "  if (doubt === undefined) {", "  if (doubt === undefined || !isAlone) {"]],
  },
  {
    name: "a lone member in doubt goes on",
    promise: "a group whose only whole log is gone waits for an operator",
    withinSeeds: 60,
    focus: ["old log"],
    edits: [[register, "  if (doubt === undefined) {", "  if (doubt === undefined || isAlone) {"]],
  },
  {
    name: "a copy is taken for the log that it was made of",
    promise: "a copy of a log is another replica",
    withinSeeds: 60,
    focus: ["copied log"],
    edits: [
      [open, "new LogFile(file, { ...facts, isCopy })", "new LogFile(file, { ...facts, isCopy: false })"],
    ],
  },
  {
    name: "a copy keeps the number of its original",
    promise: "a copy of a log is given a number of its own",
    withinSeeds: 60,
    focus: ["copied log"],
    edits: [
      [
        joining,
        "number: store.isCopy ? undefined : store.identity?.number,",
        "number: store.identity?.number,",
      ],
    ],
  },
  {
    name: "a log of another cluster is taken",
    promise: "records of two clusters never meet",
    withinSeeds: 60,
    focus: ["foreign log"],
    edits: [
      [
        joining,
        "const own = this.#cluster ?? store.identity?.cluster;",
        "const own = this.#cluster;\n    void store;",
      ],
    ],
  },
  {
    name: "the floor is raised to what is only appended",
    promise: "no log is asked for what was never acknowledged",
    withinSeeds: 60,
    edits: [
      [
        "cluster/replication/primary.ts",
        "{ epoch: this.epoch, seq: this.log.committedSeq }",
        "{ epoch: this.epoch, seq: options.store.last.seq }",
      ],
    ],
  },
  {
    name: "damage at the end of a log is taken for an unfinished write",
    promise: "only what one interrupted write can have left is cut off",
    withinSeeds: 100,
    focus: ["flipped bit"],
    edits: [
      [
        "cluster/storage/format/integrity.ts",
        "    if (!(await isUnfinishedEnd(file, offset, fileBytes))) return;\n",
        "",
      ],
    ],
  },
];
