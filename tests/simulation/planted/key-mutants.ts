import type { Mutant } from "./mutant.ts";

const keyspace = "cluster/kv/kv-state-machine.ts";
const expiry = "cluster/kv/expiry.ts";
const plan = "cluster/kv/write-plan.ts";

/** Bugs in conditions, repeated requests, batches, expiry and scans. */
export const keyMutants: readonly Mutant[] = [
  {
    name: "a condition is checked against what is committed",
    promise: "a condition holds of what the write comes after",
    withinSeeds: 5,
    edits: [
      [
        "cluster/storage/state.ts",
        "const facts = this.#keys.pendingFacts(key);",
        "const facts = this.#keys.index.factsOf(key);",
      ],
    ],
  },
  {
    name: "a refusal is told before what it tells of is committed",
    promise: "what a refusal tells stays",
    withinSeeds: 40,
    edits: [
      [
        keyspace,
        "const { key, revision } = plan;\n        await this.#confirm(signal);",
        "const { key, revision } = plan;",
      ],
    ],
  },
  {
    name: "requests are remembered by the primary alone",
    promise: "a request is carried out once, over failovers too",
    withinSeeds: 60,
    focus: ["kill", "answer lost"],
    edits: [
      [
        "cluster/storage/state.ts",
        "this.#requests.note(record, record.seq);",
        "if (records.length === 1) this.#requests.note(record, record.seq);",
      ],
    ],
  },
  {
    name: "compaction forgets requests",
    promise: "a request is carried out once, whatever is compacted",
    withinSeeds: 300,
    focus: ["compaction", "slow link"],
    edits: [
      [
        "cluster/storage/rewrite/rewrite.ts",
        "const isRemembered = requestId !== undefined && seq > this.#forgotten.forgottenSeq;",
        "const isRemembered = requestId !== undefined && seq < 0;",
      ],
    ],
  },
  {
    name: "a snapshot forgets requests",
    promise: "a request is carried out once, after a snapshot too",
    withinSeeds: 100,
    focus: ["wiped disk", "compaction", "transfer"],
    edits: [["cluster/storage/rewrite/snapshot-writer.ts", "    this.#requests.note(record, seq);\n", ""]],
  },
  {
    name: "requests are forgotten silently",
    promise: "a request that may have been forgotten is refused",
    withinSeeds: 40,
    edits: [
      [
        "cluster/storage/index/request-table.ts",
        "requestsAfter: Math.max(this.#after, ownAfter, acceptedAfter),",
        "requestsAfter: this.#after,",
      ],
    ],
  },
  {
    name: "a named batch that finds no key to delete leaves no record",
    promise: "a request is carried out once, whichever of its attempts comes first",
    withinSeeds: 100,
    focus: ["pause"],
    edits: [[plan, " || (requestId !== undefined && operations.length > 0)", ""]],
  },
  {
    name: "a repeated request is judged by its conditions again",
    promise: "a repeated request has its first answer",
    withinSeeds: 10,
    edits: [
      [
        plan,
        "  if (requestId !== undefined) {\n    const recorded",
        "  const holdsNow = compares.every(({ key, condition }) => holds(condition, store.pendingFacts(key)?.revision ?? 0));\n" +
          "  if (requestId !== undefined && holdsNow) {\n    const recorded",
      ],
    ],
  },
  {
    name: "a repeated request is answered before it is committed",
    promise: "what is acknowledged is committed",
    withinSeeds: 60,
    edits: [
      [
        keyspace,
        "        await log.committed(plan.seq, signal);\n        return plan.revision;",
        "        return plan.revision;",
      ],
    ],
  },
  {
    name: "a batch is written without its last change",
    promise: "a batch is applied whole",
    withinSeeds: 5,
    edits: [
      [
        plan,
        'hasRecord ? { kind: "write", changes } :',
        'hasRecord ? { kind: "write", changes: changes.slice(0, Math.max(1, changes.length - 1)) } :',
      ],
    ],
  },
  {
    name: "a snapshot has only the first change of a batch",
    promise: "a batch is whole on every replica",
    withinSeeds: 20,
    focus: ["wiped disk", "compaction"],
    edits: [
      [
        "cluster/storage/read/snapshot-reader.ts",
        "toLogRecord(window, record, last, kept) : undefined;",
        "toLogRecord(window, record, last, kept.slice(0, 1)) : undefined;",
      ],
    ],
  },
  {
    name: "of several conditions only the first is looked at",
    promise: "all conditions of a batch hold at one moment",
    withinSeeds: 10,
    edits: [
      [
        plan,
        "  for (const { key, condition } of compares) {",
        "  for (const { key, condition } of compares.slice(0, 1)) {",
      ],
    ],
  },
  {
    name: "a key whose time is over is hidden without a record",
    promise: "a key that is gone is gone for every reader and watcher",
    withinSeeds: 100,
    edits: [
      [
        keyspace,
        "      await this.#untilExpired([key], signal);",
        '      throw new OperationError("not-found", "its time is over");',
      ],
    ],
  },
  {
    name: "keys expire by the clock of each reader's primary alone",
    promise: "a key that was gone is not shown again after a failover",
    withinSeeds: 40,
    edits: [
      [
        keyspace,
        "      await this.#untilExpired([key], signal);",
        '      throw new OperationError("not-found", "its time is over");',
      ],
      [expiry, "    void this.#run();\n", ""],
    ],
  },
  {
    name: "a key is shown after its time",
    promise: "a key is gone at its time",
    withinSeeds: 60,
    edits: [
      [
        keyspace,
        "return expiresMs !== undefined && expiresMs <= this.#clock.wallMs();",
        "return expiresMs !== undefined && expiresMs < 0;",
      ],
    ],
  },
  {
    name: "a key expires before its time",
    promise: "a key stays until its time",
    withinSeeds: 40,
    edits: [
      [
        plan,
        "facts?.expiresMs !== undefined && facts.expiresMs <= wallMs;",
        "facts?.expiresMs !== undefined && facts.expiresMs <= wallMs + 300;",
      ],
    ],
  },
  {
    name: "a value that was put anew expires with the one before",
    promise: "a key stays until its own time",
    withinSeeds: 30,
    edits: [
      [
        "cluster/storage/index/key-index.ts",
        "this.#expiresMs.set(slot, expiresMs ?? 0);",
        "this.#expiresMs.set(slot, expiresMs ?? this.#expiresMs.get(slot));",
      ],
    ],
  },
  {
    name: "a restart forgets when keys expire",
    promise: "a key is gone at its time, over restarts too",
    withinSeeds: 100,
    focus: ["kill", "full stop"],
    edits: [
      [
        "cluster/storage/index/found-changes.ts",
        "placeOf(token, entry, seq), entry.expiresMs)",
        "placeOf(token, entry, seq), undefined)",
      ],
    ],
  },
  {
    name: "a scan mixes moments",
    promise: "a scan shows one moment",
    withinSeeds: 30,
    edits: [
      [
        "cluster/storage/state.ts",
        "      this.scans.beforeChange(change.key, () => this.placeValue(change.key));\n",
        "",
      ],
    ],
  },
  {
    name: "a scan is answered without a lease",
    promise: "a primary that was cut off or paused answers nothing stale",
    withinSeeds: 30,
    focus: ["late news", "zookeeper cut"],
    edits: [
      [
        keyspace,
        "calledMs = this.#clock.wallMs();\n    for (;;) {\n      await this.#primary.lease.readBarrier(signal);\n",
        "calledMs = this.#clock.wallMs();\n    for (;;) {\n",
      ],
    ],
  },
];
