import type { Mutant } from "./mutant.ts";

const pipeline = "cluster/replication/commit-pipeline.ts";
const standby = "cluster/replication/standby.ts";
const keyspace = "cluster/kv/kv-state-machine.ts";
const replicator = "cluster/replication/replicator.ts";

/** A standby that does not wait for its disk. */
const unsynced = "store.append(fresh).catch(() => {}); return { onDisk: Promise.resolve() };";

/** Bugs on the way from a write to its acknowledgement. */
export const commitMutants: readonly Mutant[] = [
  {
    name: "a standby acknowledges before its sync",
    promise: "committed means on the disk of every in-sync member",
    withinSeeds: 5,
    edits: [[standby, "return { onDisk: store.append(fresh) };", unsynced]],
  },
  {
    name: "a standby counts what it has not synced as its last record",
    promise: "a primary learns only of what is on disk",
    withinSeeds: 5,
    edits: [
      [standby, "return { onDisk: store.append(fresh) };", unsynced],
      [standby, "const { promisedEpoch, durable, base", "const { promisedEpoch, last: durable, base"],
    ],
  },
  {
    name: "a standby is counted one record ahead",
    promise: "a primary counts only what a standby has acknowledged",
    withinSeeds: 10,
    edits: [
      [
        replicator,
        "seq: previousSeq + (chunk === undefined ? records.length : 0),",
        "seq: previousSeq + (chunk === undefined ? records.length + 1 : 0),",
      ],
    ],
  },
  {
    name: "a write is acknowledged before it is committed",
    promise: "an acknowledged write is committed",
    withinSeeds: 5,
    edits: [
      [
        keyspace,
        "await log.committed(written, signal, bytes);\n        return revision;",
        "return revision;",
      ],
    ],
  },
  {
    name: "a write can be read before it is committed",
    promise: "what is read stays",
    withinSeeds: 5,
    edits: [
      [
        pipeline,
        "    return store.last.seq;",
        "    store.commit(store.last.seq);\n    return store.last.seq;",
      ],
    ],
  },
  {
    name: "a write is taken before the ring is closed",
    promise: "no group takes over a key that has been written",
    withinSeeds: 5,
    edits: [
      [
        "cluster/node/ownership.ts",
        "if (this.#ring.written) return machine;",
        "if (this.#ring.groups.length > 0) return machine;",
      ],
    ],
  },
  {
    name: "a standby whose disk hangs acknowledges what it has not synced with its next heartbeat",
    promise: "a heartbeat acknowledges nothing that is not on disk",
    withinSeeds: 60,
    focus: ["hung disk"],
    edits: [
      [
        standby,
        "const isOnDisk = store.durable.seq >= store.last.seq;",
        "const isOnDisk = store.last.seq >= 0;",
      ],
    ],
  },
  {
    name: "a primary counts what it has written before it is synced",
    promise: "committed means on the disk of every in-sync member",
    withinSeeds: 30,
    focus: ["hung disk"],
    edits: [[pipeline, "let seq = store.durable.seq;", "let seq = store.written.seq;"]],
  },
  {
    name: "a log takes what it finds for durable",
    promise: "what a replica has said to be on disk is on disk",
    withinSeeds: 300,
    focus: ["double crash", "slow disk"],
    edits: [
      ["cluster/storage/open.ts", "    await file.datasync();\n    await disk.syncDirectory(dbfile);\n", ""],
    ],
  },
];
