import type { Mutant } from "./mutant.ts";

const load = "cluster/storage/index-file/load-by-index.ts";

/** Bugs in the index file of a log. */
export const indexMutants: readonly Mutant[] = [
  {
    name: "a log is not compared with its index file",
    promise: "an index file is used only for the log that it was made of, whole as it was",
    withinSeeds: 60,
    focus: ["bit flip", "flipped bit", "old log", "stop"],
    edits: [
      [load, "if (indexed !== logChecksum) throw", "if (indexed !== logChecksum && endBytes < 0) throw"],
    ],
  },
  {
    name: "only what came after the index file was written is read",
    promise: "what changed while an index file was written is read again",
    withinSeeds: 60,
    focus: ["stop", "kill", "slow disk"],
    edits: [[load, "from: begin.from, to: endBytes", "from: end.logBytes, to: endBytes"]],
  },
  {
    name: "nothing behind the part that the index file stands for is read",
    promise: "the log is what counts, not its index file",
    withinSeeds: 20,
    edits: [[load, "from: begin.from, to: endBytes", "from: begin.from, to: end.logBytes"]],
  },
  {
    name: "a key that was deleted after the index file was written comes back",
    promise: "what the log says last of a key counts",
    withinSeeds: 60,
    focus: ["kill", "power loss"],
    edits: [
      [
        load,
        "      tables.show(token, order);",
        '      if (token.record.changes.every(({ kind }) => kind === "put")) tables.show(token, order);',
      ],
    ],
  },
  {
    name: "an index file forgets the requests",
    promise: "a repeated request is answered as it was, also after a restart",
    withinSeeds: 60,
    focus: ["stop", "answer lost", "request lost"],
    edits: [[load, "tables?.requests.add(answered);", "void answered;"]],
  },
];
