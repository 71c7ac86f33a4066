import type { FaultKind } from "../faults/plan.ts";

/** Bugs that somebody might make, each of which the simulation must find. */
export interface Mutant {
  readonly name: string;
  /** What is broken by it. */
  readonly promise: string;
  /** Seeds, from 1 on, within which it must be found. */
  readonly withinSeeds: number;
  /** Kinds of faults under which it shows; all of them if absent. */
  readonly focus?: readonly FaultKind[];
  /** What is replaced: file in src, a text that stands there once, and what comes in its place. */
  readonly edits: readonly (readonly [file: string, text: string, replacement: string])[];
}

const primary = "cluster/replication/primary.ts";
const standby = "cluster/replication/standby.ts";
const promotion = "cluster/election/promotion.ts";
const keyspace = "cluster/replication/kv-state-machine.ts";
const replicator = "cluster/replication/replicator.ts";
const inSyncSet = "cluster/replication/in-sync-set.ts";
const history = "cluster/storage/format/history.ts";

export const mutants: readonly Mutant[] = [
  {
    name: "a standby acknowledges before its sync",
    promise: "committed means on the disk of every in-sync member",
    withinSeeds: 5,
    edits: [[standby, "await store.append(fresh);", "store.append(fresh).catch(() => {});"]],
  },
  {
    name: "a standby counts what it has not synced as its last record",
    promise: "a primary learns only of what is on disk",
    withinSeeds: 5,
    edits: [
      [standby, "await store.append(fresh);", "store.append(fresh).catch(() => {});"],
      [standby, "const { promisedEpoch, durable, base", "const { promisedEpoch, last: durable, base"],
    ],
  },
  {
    name: "a new primary does not wait for the lease of the old one",
    promise: "no read is answered by two primaries' truths",
    withinSeeds: 60,
    focus: ["late news"],
    edits: [[primary, "if (leaseLeftMs > 0) await sleep(clock, leaseLeftMs, signal);", ""]],
  },
  {
    name: "the lease counts from the answer",
    promise: "a lease runs from the sending of what was acknowledged",
    withinSeeds: 60,
    focus: ["slow link", "late news"],
    edits: [
      [
        replicator,
        "this.ackedSent = sent;",
        "this.ackedSent = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };",
      ],
    ],
  },
  {
    name: "reads without a lease",
    promise: "a primary that was cut off or paused answers nothing stale",
    withinSeeds: 20,
    focus: ["late news", "zookeeper cut"],
    edits: [["cluster/replication/lease.ts", "if (this.holds) return;", "return;"]],
  },
  {
    name: "promotion from outside the in-sync set",
    promise: "only who holds every acknowledged write becomes primary",
    withinSeeds: 30,
    focus: ["pause", "session expiry"],
    edits: [
      [
        promotion,
        "return nodes.filter((node) => inSync.some((member) => isSameMember(member, node)));",
        "return inSync.length > 0 ? [...nodes] : [];",
      ],
      [
        promotion,
        "  const primary = inSync.find((member) => chosen !== undefined && isSameMember(member, chosen));\n" +
          "  return primary && { epoch: epoch + 1, primary, inSync };",
        "  const others = inSync.filter(({ number }) => number !== chosen?.number);\n" +
          "  return chosen && { epoch: epoch + 1, primary: chosen, inSync: [chosen, ...others] };",
      ],
    ],
  },
  {
    name: "a promotion leaves only those in sync that are registered",
    promise: "while one in-sync disk is well, its group comes back with all that was acknowledged",
    withinSeeds: 30,
    focus: ["bit flip", "wiped disk", "session expiry"],
    edits: [
      [
        promotion,
        "primary, inSync };",
        "primary, inSync: inSync.filter((member) => nodes.some((node) => isSameMember(node, member))) };",
      ],
    ],
  },
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
      [standby, "if (before < this.#committedSeq) {", "if (before < 0) {"],
    ],
  },
  {
    name: "a message of an earlier epoch is accepted",
    promise: "who has followed an epoch follows no earlier one",
    withinSeeds: 30,
    focus: ["pause", "session expiry"],
    edits: [[standby, 'if (request.epoch < store.promisedEpoch) return this.#answer("stale-epoch");', ""]],
  },
  {
    name: "a standby joins one record too early",
    promise: "who is in sync has everything that is committed",
    withinSeeds: 30,
    edits: [
      [
        primary,
        "replicator.ackedSeq >= Math.max(this.#committedSeq, this.#epochSeq)",
        "replicator.ackedSeq >= Math.max(this.#committedSeq, this.#epochSeq) - 1",
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
        primary,
        "replicator.ackedSeq >= Math.max(this.#committedSeq, this.#epochSeq)",
        "replicator.ackedSeq >= Math.max(this.#committedSeq, 1)",
      ],
      // No bug, but what it takes to be behind by more than one message.
      ["cluster/replication/settings.ts", "batchBytesMax = 256 * 1024", "batchBytesMax = 1"],
    ],
  },
  {
    name: "a standby is counted one record ahead",
    promise: "a primary counts only what a standby has acknowledged",
    withinSeeds: 10,
    edits: [
      [
        replicator,
        "this.ackedSeq = previousSeq + (copy === undefined ? records.length : 0);",
        "this.ackedSeq = previousSeq + (copy === undefined ? records.length + 1 : 0);",
      ],
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
        "return [...all.values()].filter((member) => member.number !== this.#self);",
        "return [...all.values()].filter((member) => member.number !== this.#self && !this.#leaving.has(memberKey(member)));",
      ],
    ],
  },
  {
    name: "a joining standby is required only once the state shows it",
    promise: "whatever the state may say at this moment, its members hold what is acknowledged",
    withinSeeds: 30,
    edits: [
      [inSyncSet, "for (const [key, member] of this.#joining) all.set(key, member);", ""],
      [
        inSyncSet,
        "for (const member of this.#uncertain?.members ?? []) all.set(memberKey(member), member);",
        "",
      ],
    ],
  },
  {
    name: "a change of unknown outcome is taken for undone",
    promise: "while it is unknown whether a standby has joined, it is required",
    withinSeeds: 30,
    focus: ["join in doubt", "pause"],
    edits: [
      [
        inSyncSet,
        "for (const member of this.#uncertain?.members ?? []) all.set(memberKey(member), member);",
        "",
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
        "await primary.committed(written, bytes, signal);\n        return written;",
        "return written;",
      ],
    ],
  },
  {
    name: "a write can be read before it is committed",
    promise: "what is read stays",
    withinSeeds: 5,
    edits: [[primary, "    return record.seq;", "    store.commit(record.seq);\n    return record.seq;"]],
  },
  {
    name: "a new primary serves before its epoch has begun",
    promise: "a new primary has everything committed under its own epoch before it serves",
    withinSeeds: 20,
    edits: [
      [
        primary,
        "if (this.#committedSeq >= this.#epochSeq) return undefined;",
        "if (this.#committedSeq >= 0) return undefined;",
      ],
    ],
  },
  {
    name: "the promise of an epoch is not written down",
    promise: "who has followed an epoch follows no earlier one, over restarts too",
    withinSeeds: 60,
    focus: ["double crash", "session expiry"],
    edits: [
      [
        "cluster/storage/store.ts",
        "if (epoch > state.promisedOnDisk) await this.#writer.untilPromised(epoch);",
        "",
      ],
    ],
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
    name: "a write is taken before the ring is closed",
    promise: "no group takes over a key that has been written",
    withinSeeds: 5,
    edits: [
      [
        "cluster/node/ownership.ts",
        "if (ring.written) return primary;",
        "if (ring.groups.length > 0) return primary;",
      ],
    ],
  },
  {
    name: "a group is handed to a standby that has left the in-sync set",
    promise: "only who holds every acknowledged write becomes primary",
    withinSeeds: 60,
    focus: ["transfer", "one-way cut"],
    edits: [["cluster/replication/transfer.ts", "if (!inSync.has(target)) throw", "if (!target) throw"]],
  },
  {
    name: "two lives of one standby join together",
    promise: "the state names a replica once, and can be read",
    withinSeeds: 150,
    focus: ["join in doubt", "session expiry"],
    edits: [[inSyncSet, "this.#forgetJoining(member.number);\n    this.#joining.set", "this.#joining.set"]],
  },
  {
    name: "minsync is not looked at",
    promise: "a write is on as many disks as minsync asks for",
    withinSeeds: 60,
    edits: [
      [primary, "if (inSync >= minSync) return;", "return;"],
      [
        primary,
        "if (this.#inSync.members.length < settings.minSync) seq",
        "if (this.#inSync.members.length < 0) seq",
      ],
    ],
  },
  {
    name: "the master promotes whatever the state has become meanwhile",
    promise: "the state changes by compare-and-set alone",
    withinSeeds: 100,
    focus: ["session expiry", "transfer", "zookeeper lag"],
    edits: [
      [
        "cluster/election/master.ts",
        "await session.set(groupStatePath(group.name), formatGroupState(next), group.state.version);",
        "await session.set(groupStatePath(group.name), formatGroupState(next), -1);",
      ],
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
        "Math.min(request.committedSeq, request.previous.seq + request.records.length)",
        "request.previous.seq + request.records.length",
      ],
    ],
  },
  {
    name: "a router repeats a write that may have been applied",
    promise: "a write is applied once at most",
    withinSeeds: 60,
    focus: ["kill", "pause"],
    edits: [
      [
        "rpc/forwarding/forwarder.ts",
        'return kind !== "write" && connectionBroke;',
        "return connectionBroke;",
      ],
    ],
  },
  {
    name: "a withdrawn record is acknowledged with the one that comes in its place",
    promise: "what there was no room for is refused",
    withinSeeds: 30,
    focus: ["full disk"],
    edits: [
      [
        primary,
        "withdrawn: (afterSeq, reason) => this.#queue.withdrawn(afterSeq, refusedFor(reason)),",
        "withdrawn() {},",
      ],
    ],
  },
  {
    name: "what a withdrawn record would have made of its keys is kept",
    promise: "a withdrawn record is as if it had never been",
    withinSeeds: 30,
    focus: ["full disk"],
    edits: [["cluster/storage/rewrite/truncate.ts", "  state.live.forgetNotes();\n", ""]],
  },
  {
    name: "the request of a withdrawn record is taken for answered",
    promise: "a withdrawn record is as if it had never been",
    withinSeeds: 60,
    focus: ["full disk"],
    edits: [["cluster/storage/rewrite/truncate.ts", "  state.requests.truncate(seq);\n", ""]],
  },
  {
    name: "records are sent before there is room for them",
    promise: "what is withdrawn has never left its primary",
    withinSeeds: 60,
    focus: ["full disk"],
    edits: [
      ["cluster/storage/read/values.ts", "seq <= state.written.seq; seq++", "seq <= state.last.seq; seq++"],
    ],
  },
  {
    name: "a primary whose disk hangs is replaced by whoever is registered",
    promise: "only who holds every acknowledged write becomes primary",
    withinSeeds: 60,
    focus: ["hung disk", "full disk", "pause"],
    edits: [
      [
        "cluster/replication/replica.ts",
        "inSync.filter((member) => view.nodes.some((node) => isSameMember(node, member)))",
        "view.nodes.map(({ number, incarnation }) => ({ number, incarnation }))",
      ],
      [
        "cluster/replication/replica.ts",
        "primary: heir, inSync };",
        "primary: heir, inSync: [heir, ...inSync.filter(({ number }) => number !== heir.number)] };",
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
        "return await this.#inTurn(() => this.#append(request));",
        "return await (request.records.length > 0 ? this.#inTurn(() => this.#append(request)) : this.#append(request));",
      ],
      [standby, "} else if (store.durable.seq < store.last.seq) {", "} else if (store.durable.seq < 0) {"],
    ],
  },
  {
    name: "a primary counts what it has written before it is synced",
    promise: "committed means on the disk of every in-sync member",
    withinSeeds: 30,
    focus: ["hung disk"],
    edits: [[primary, "let seq = store.durable.seq;", "let seq = store.written.seq;"]],
  },
  {
    name: "a log takes what it finds for durable",
    promise: "what a replica has said to be on disk is on disk",
    withinSeeds: 60,
    focus: ["double crash", "slow disk"],
    edits: [
      ["cluster/storage/open.ts", "    await file.datasync();\n    await disk.syncDirectory(dbfile);\n", ""],
    ],
  },
];
