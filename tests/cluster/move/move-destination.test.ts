import assert from "node:assert/strict";
import { test } from "node:test";
import type { RingState } from "../../../src/cluster/metadata/model.ts";
import { refused } from "../../../src/cluster/metadata/operation-error.ts";
import { MoveDestination } from "../../../src/cluster/move/move-destination.ts";
import { CommitPipeline } from "../../../src/cluster/replication/commit-pipeline.ts";
import type { MoveOutAnswer, MoveStep, Peer } from "../../../src/cluster/replication/peer.ts";
import { defaultReplicationSettings } from "../../../src/cluster/replication/settings.ts";
import { addressOf } from "../../support/address.ts";
import { epochRecord, newLog, putting } from "../../support/log-fixtures.ts";
import { memoryRegister } from "../../support/memory-register.ts";
import { ToyTopology } from "../../support/toy-topology.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const change = 2;
const ring: RingState = {
  version: change,
  virtualNodes: 2,
  groups: ["g"],
  written: true,
  change: { id: change, virtualNodes: 2, groups: ["g", "h"], done: [], paused: false },
};
const primaryOfG = { number: 1, incarnation: "1" };

/** Nothing may be proposed, as during a leadership transfer, until `release` is called. */
function heldLog() {
  const over = Promise.withResolvers<void>();
  return {
    isUnderWay: true,
    wait: () => over.promise,
    release() {
      this.isUnderWay = false;
      over.resolve();
    },
  };
}

/** The primary of group h, whose log takes nothing yet, and which asks `answer` for the steps of the source g. */
async function destination(answer: (step: MoveStep) => MoveOutAnswer) {
  const clock = new VirtualClock();
  const { store } = await newLog();
  await store.promise(1);
  await store.append([epochRecord(1, 1)]);
  const transfer = heldLog();
  const log = new CommitPipeline({
    epoch: 1,
    store,
    settings: defaultReplicationSettings,
    inSync: { members: [primaryOfG], required: [] },
    ackedSeq: () => 0,
    transfer,
    onFailure: (error) => assert.fail(String(error)),
    log: () => {},
  });
  log.begin(1);
  const topology = new ToyTopology();
  const state = { version: 0, value: { epoch: 1, primary: primaryOfG, inSync: [primaryOfG] } };
  const nodes = [{ ...primaryOfG, address: addressOf("g:1") }];
  topology.tell({
    cluster: "c1",
    ring: { version: 0, value: ring },
    groups: new Map([["g", { name: "g", state, nodes }]]),
    routers: [],
    staleSinceMs: undefined,
  });
  const notAsked = () => assert.fail("only steps are asked for");
  const source: Peer = {
    replicate: notAsked,
    countMisplaced: notAsked,
    transferLeadership: notAsked,
    position: notAsked,
    reportSilence: notAsked,
    moveIn: notAsked,
    moveOut: async ({ step }) => answer(step),
  };
  const destination = new MoveDestination({
    group: "h",
    primary: { log, ended: new AbortController().signal, epoch: 1 },
    store,
    topology,
    ring: memoryRegister({
      get: () => ({ version: 0, value: ring }),
      set: () => assert.fail("the ring is changed"),
      isAway: () => false,
      nextFault: () => "none",
    }),
    clock,
    peerAt: () => source,
    callCount: () => 0,
    tellProgress: () => {},
    log: () => {},
  });
  return { clock, store, transfer, run: () => destination.run({ group: "h", from: "g", change }) };
}

test("what a failed attempt had still to append is dropped: the next one erases only what is in the log", async () => {
  const stale = {
    epoch: 1,
    seq: 1,
    changes: [putting("a", "1")],
    move: { kind: "copy", revision: 1 },
  } as const;
  const chunks: (() => MoveOutAnswer)[] = [
    () => ({ chunk: { records: [stale] } }),
    () => {
      throw refused("the attempt is over");
    },
    // The key has been deleted since.
    () => ({ chunk: { records: [], behind: 0, end: { revision: 2, requestsAfter: 0 } } }),
  ];
  const { clock, store, transfer, run } = await destination(({ kind }) => {
    if (kind === "next") return chunks.shift()?.() ?? assert.fail("nothing more was to be asked for");
    if (kind === "release") throw refused("the test ends here");
    return {};
  });
  await assert.rejects(clock.settled(run()), { message: "the attempt is over" });
  const second = assert.rejects(run(), { message: "the test ends here" });
  await clock.until("everything is copied", () => chunks.length === 0);
  transfer.release();
  await clock.settled(second);
  assert.equal(store.moves.accepted.has("g"), true);
  assert.equal(store.keyCount, 0);
});
