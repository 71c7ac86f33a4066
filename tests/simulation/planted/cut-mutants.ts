import type { Mutant } from "./mutant.ts";

const primary = "cluster/replication/primary.ts";
const standby = "cluster/replication/standby.ts";
const history = "cluster/storage/format/history.ts";

/** Bugs in cutting a log back and in withdrawing records. */
export const cutMutants: readonly Mutant[] = [
  {
    name: "a standby cuts its log back to where each message begins",
    promise: "committed records are never cut off",
    withinSeeds: 20,
    edits: [
      [
        standby,
        "(record) => record.seq > store.last.seq || epochAt(store.epochs, record.seq) !== record.epoch,",
        "() => true,",
      ],
      [standby, "if (before < store.committedSeq) {", "if (before < 0) {"],
    ],
  },
  {
    name: "logs are compared by length alone",
    promise: "what another epoch has left uncommitted is cut back",
    withinSeeds: 40,
    focus: ["kill", "partition"],
    edits: [
      [history, "if (epochA === epochB) return seq;", "return seq;"],
      [history, "return epochAt(log.epochs, position.seq) === position.epoch;", "return true;"],
    ],
  },
  {
    name: "a standby takes its own end for committed",
    promise: "what is not committed can be cut off",
    withinSeeds: 60,
    focus: ["kill", "partition"],
    edits: [
      [
        standby,
        "const committed = Math.min(committedSeq, seq);",
        "const committed = Math.max(committedSeq - committedSeq, seq);",
      ],
    ],
  },
  {
    name: "a withdrawn record is acknowledged with the one that comes in its place",
    promise: "what there was no room for is refused",
    withinSeeds: 30,
    focus: ["full disk"],
    edits: [
      [primary, "withdrawn: (afterSeq, reason) => this.log.withdrawn(afterSeq, reason),", "withdrawn() {},"],
    ],
  },
  {
    name: "what a withdrawn record would have made of its keys is kept",
    promise: "a withdrawn record is as if it had never been",
    withinSeeds: 30,
    focus: ["full disk"],
    edits: [["cluster/storage/state.ts", "    this.#keys.forgetNotes();\n", ""]],
  },
  {
    name: "the request of a withdrawn record is taken for answered",
    promise: "a withdrawn record is as if it had never been",
    withinSeeds: 60,
    focus: ["full disk"],
    edits: [
      [
        "cluster/storage/state.ts",
        "    this.#requests.truncate(seq, this.#positions.moves.revisionOf(seq));\n",
        "",
      ],
    ],
  },
  {
    name: "records are sent before there is room for them",
    promise: "what is withdrawn has never left its primary",
    withinSeeds: 60,
    focus: ["full disk"],
    edits: [
      [
        "cluster/storage/read/read-records.ts",
        "seq <= positions.written.seq; seq++",
        "seq <= positions.last.seq; seq++",
      ],
    ],
  },
];
