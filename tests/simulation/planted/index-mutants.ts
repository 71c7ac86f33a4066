import type { Mutant } from "./mutant.ts";

const load = "cluster/storage/index-file/load-by-index.ts";
const contents = "cluster/storage/index-file/contents.ts";

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
    name: "an index file lacks its last frame of keys",
    promise: "an index file has every key",
    withinSeeds: 20,
    edits: [
      ["cluster/storage/index-file/write-index.ts", "if (rows.count > 0) await", "if (rows.isFull) await"],
      [load, "end.keys !== tables.index.size", "end.keys < tables.index.size"],
    ],
  },
  {
    name: "an index file forgets the requests",
    promise: "a repeated request is answered as it was, also after a restart",
    withinSeeds: 60,
    focus: ["stop", "answer lost", "request lost"],
    edits: [[load, "tables?.requests.note(id, seq);", "void [id, seq];"]],
  },
  {
    name: "an index file forgets when keys expire",
    promise: "a key expires at its time, also after a restart",
    withinSeeds: 60,
    focus: ["stop"],
    edits: [[contents, "content.readDoubleLE(at + 24) || undefined", "undefined"]],
  },
  {
    name: "an index file forgets what was promised since the last record",
    promise: "a promise outlives every restart",
    withinSeeds: 60,
    focus: ["stop", "kill", "partition"],
    edits: [[load, "promisedEpoch: begin.promisedEpoch,", "promisedEpoch: begin.at.epoch,"]],
  },
];
