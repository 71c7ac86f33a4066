import type { Mutant } from "./mutant.ts";

const standby = "cluster/replication/standby.ts";
const replicator = "cluster/replication/replicator.ts";

/** Bugs in replication with several messages on the way. */
export const streamingMutants: readonly Mutant[] = [
  {
    name: "an answer is taken for that of the newest message",
    promise: "an answer acknowledges what was sent up to its own message",
    withinSeeds: 10,
    edits: [
      [
        "rpc/internal/outgoing-stream.ts",
        "const [waiting] = this.#waiting;",
        "const waiting = this.#waiting.at(-1);",
      ],
      ["rpc/internal/outgoing-stream.ts", "this.#waiting.shift();", "this.#waiting.pop();"],
    ],
  },
  {
    name: "an answer acknowledges all that was sent meanwhile",
    promise: "an answer acknowledges what was sent up to its own message",
    withinSeeds: 10,
    edits: [
      [
        replicator,
        "seq: previousSeq + (chunk === undefined ? records.length : 0),",
        'seq: this.progress.state.kind === "replicate" ? this.progress.state.sentSeq : previousSeq,',
      ],
    ],
  },
  {
    name: "records go on after a message that did not fit",
    promise: "a standby gets every record, in order",
    withinSeeds: 200,
    focus: ["full disk"],
    edits: [[replicator, 'if (response.result === "ok") {\n', 'if (response.result !== "full") {\n']],
  },
  {
    name: "a standby takes records without looking at what precedes them",
    promise: "records are appended to the same log as the primary's",
    withinSeeds: 30,
    focus: ["kill", "partition"],
    edits: [[standby, " || !holds(store, request.previous)) {", ") {"]],
  },
  {
    name: "a standby takes all for committed that is committed at the primary",
    promise: "what a message commits is what it has brought, and what was before it",
    withinSeeds: 60,
    focus: ["full disk"],
    edits: [[standby, "const committed = Math.min(committedSeq, seq);", "const committed = committedSeq;"]],
  },
  {
    name: "a standby without room acknowledges what it has withdrawn",
    promise: "an acknowledged record is on the disk",
    withinSeeds: 30,
    focus: ["full disk"],
    edits: [
      [
        standby,
        'if (isFull(error)) return this.#answer("full");',
        'if (isFull(error)) return this.#answer("ok");',
      ],
    ],
  },
];
