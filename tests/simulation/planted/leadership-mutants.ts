import type { Mutant } from "./mutant.ts";

const pipeline = "cluster/replication/commit-pipeline.ts";
const standby = "cluster/replication/standby.ts";
const promotion = "cluster/election/promotion.ts";
const groupState = "cluster/replication/group-state.ts";
const replicator = "cluster/replication/replicator.ts";

/** The transitions make anybody primary, and put whoever it is in the set. */
const anybodyCanSucceed: Mutant["edits"] = [
  [groupState, "  if (!hasMember(inSync, to)) return `node", "  if (!to) return `node"],
  [
    groupState,
    "primary: transition.to, inSync };",
    "primary: transition.to, inSync: sorted([...without(inSync, transition.to.number), transition.to]) };",
  ],
];

/** Bugs in leases, epochs, promotions and transfers. */
export const leadershipMutants: readonly Mutant[] = [
  {
    name: "a new primary does not wait for the lease of the old one",
    promise: "no read is answered by two primaries' truths",
    withinSeeds: 100,
    focus: ["late news"],
    edits: [
      [
        "cluster/replication/epoch-start.ts",
        "if (leaseLeftMs > 0) await sleep(clock, leaseLeftMs, signal);",
        "",
      ],
    ],
  },
  {
    name: "the lease counts from the answer",
    promise: "a lease runs from the sending of what was acknowledged",
    withinSeeds: 60,
    focus: ["slow link", "late news"],
    edits: [[replicator, "      sent,\n      isOk:", "      sent: momentOf(clock),\n      isOk:"]],
  },
  {
    name: "a value in memory is read without a lease",
    promise: "a primary that was cut off or paused answers nothing stale",
    withinSeeds: 20,
    focus: ["late news", "zookeeper cut"],
    edits: [
      ["cluster/kv/kv-state-machine.ts", " || !lease.holds) return undefined;", ") return void lease;"],
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
        "return nodes.filter((node) => hasMember(inSync, node));",
        "return inSync.length > 0 ? [...nodes] : [];",
      ],
      [
        promotion,
        "return inSync.find((member) => chosen !== undefined && isSameMember(member, chosen));",
        "return inSync && chosen && { number: chosen.number, incarnation: chosen.incarnation };",
      ],
      ...anybodyCanSucceed,
    ],
  },
  {
    name: "a promotion leaves only the new primary in sync",
    promise: "while one in-sync disk is well, its group comes back with all that was acknowledged",
    withinSeeds: 30,
    focus: ["bit flip", "wiped disk", "session expiry"],
    edits: [
      [
        groupState,
        "primary: transition.to, inSync };",
        "primary: transition.to, inSync: [inSync.length > 0 && transition.to].filter((to) => to !== false) };",
      ],
    ],
  },
  {
    name: "a message of an earlier epoch is accepted",
    promise: "who has followed an epoch follows no earlier one",
    withinSeeds: 30,
    focus: ["pause", "session expiry"],
    edits: [
      [standby, 'if (request.epoch < store.promisedEpoch) return this.#now("stale-epoch");', ""],
      [standby, 'if (epoch < store.promisedEpoch) return this.#answer("stale-epoch");', ""],
    ],
  },
  {
    name: "a new primary serves before its epoch has begun",
    promise: "a new primary has everything committed under its own epoch before it serves",
    withinSeeds: 20,
    edits: [
      [
        pipeline,
        'if (this.#state === "serving") return undefined;',
        'if (this.#state !== "ended") return undefined;',
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
        "if (epoch > state.positions.promisedOnDisk) await this.#writer.untilPromised(epoch);",
        "",
      ],
    ],
  },
  {
    name: "a group is handed to a standby that has left the in-sync set",
    promise: "only who holds every acknowledged write becomes primary",
    withinSeeds: 60,
    focus: ["transfer", "one-way cut"],
    edits: [["cluster/replication/transfer.ts", "if (!inSync.has(to)) throw", "if (!to) throw"]],
  },
  {
    name: "the master promotes whatever the state has become meanwhile",
    promise: "the state changes by compare-and-set alone",
    withinSeeds: 100,
    focus: ["session expiry", "transfer", "zookeeper lag"],
    edits: [
      [
        "cluster/election/master.ts",
        "register.change(state, transition)",
        "register.change(state && { ...state, version: -1 }, transition)",
      ],
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
        "inSync.filter((member) => hasMember(view.nodes, member))",
        "inSync && view.nodes.map(({ number, incarnation }) => ({ number, incarnation }))",
      ],
      ...anybodyCanSucceed,
    ],
  },
  {
    name: "a change is made of whatever the state has become meanwhile",
    promise: "each change of the state is one legal transition of the state before",
    withinSeeds: 60,
    focus: ["session expiry", "transfer", "join in doubt"],
    edits: [
      [
        "cluster/replication/group-register.ts",
        "this.#register.compareAndSet(next, before.version)",
        "this.#register.compareAndSet(next, -1)",
      ],
    ],
  },
  {
    name: "a primary that registers anew stays primary",
    promise: "an epoch has one primary, in one life",
    withinSeeds: 20,
    focus: ["session expiry"],
    edits: [
      [
        groupState,
        "...withoutPrimary(state, self.number),",
        "...state, primary: state.primary?.number === self.number ? self : state.primary,",
      ],
    ],
  },
];
