import assert from "node:assert/strict";
import { test } from "node:test";
import { planRecovery, recoverGroup } from "../../../src/cluster/election/recovery.ts";
import type {
  GroupLogs,
  GroupState,
  GroupView,
  NodeView,
  Versioned,
} from "../../../src/cluster/metadata/model.ts";
import { GroupRegister } from "../../../src/cluster/replication/group-register.ts";
import type { Peer } from "../../../src/cluster/replication/peer.ts";
import { addressOf } from "../../support/address.ts";
import { memoryRegister, type RegisterFault } from "../../support/memory-register.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

function node(number: number, incarnation = `${number}0`): NodeView {
  return { number, incarnation, address: addressOf(`127.0.0.1:${2000 + number}`) };
}

/** Node 1 was in sync; these are registered now. */
function groupWith(...nodes: NodeView[]): GroupView {
  const member = { number: 1, incarnation: "10" };
  return {
    name: "zdata1",
    nodes,
    state: { version: 5, value: { epoch: 7, primary: member, inSync: [member] } },
  };
}

function survivor(number: number, epoch: number, seq: number) {
  return { number, incarnation: `${number}0`, position: { epoch, seq } };
}

const floor = { epoch: 7, seq: 41 };

test("the survivor with most of the log becomes primary, alone in sync", () => {
  const survivors = [survivor(2, 6, 900), survivor(3, 7, 40), survivor(4, 7, 41), survivor(5, 7, 41)];
  const { primary, loss } = planRecovery(groupWith(node(2), node(3), node(4), node(5)), survivors, floor);
  assert.equal(primary.number, 4);
  assert.match(loss, /node 4 .* record 41 of epoch 7; .* on node 1 alone, and is lost: none is known of/);
  const behind = planRecovery(groupWith(node(3)), [survivor(3, 7, 40)], floor);
  assert.match(behind.loss, /is lost: there were such, up to record 41 of epoch 7 at least/);
});

test("nothing is recovered while an in-sync replica is live", () => {
  assert.throws(() => planRecovery(groupWith(node(1), node(2)), [survivor(2, 7, 1)], floor), {
    code: "refused",
    message: /node 1 .* in sync and live/,
  });
});

test("nothing is recovered without a survivor, or for a group that has no state", () => {
  assert.throws(() => planRecovery(groupWith(node(2)), [], floor), {
    code: "refused",
    message: /no live node/,
  });
  assert.throws(() => planRecovery({ ...groupWith(), state: undefined }, [], floor), { code: "refused" });
});

test("the next history is noted before it begins, and the floor is lowered after that", async () => {
  const group = groupWith(node(2));
  let logs: Versioned<GroupLogs> | undefined = { version: 3, value: { floor, stores: new Map([[2, "s"]]) } };
  let state: Versioned<GroupState> | undefined = group.state;
  const changes: string[] = [];
  const reachable = { isAway: () => false, nextFault: (): RegisterFault => "none" };
  const position: Peer["position"] = async () => ({ epoch: 6, seq: 900 });
  const unused = () => assert.fail("nothing else is asked");
  await recoverGroup({
    group,
    register: new GroupRegister(
      memoryRegister<GroupState>({
        ...reachable,
        get: () => state,
        set: (next) => {
          state = next;
          changes.push(`epoch ${next.value.epoch}`);
        },
      }),
      unused,
    ),
    logs: memoryRegister<GroupLogs>({
      ...reachable,
      get: () => logs,
      set: (next) => {
        logs = next;
        changes.push(`first epoch ${next.value.firstEpoch}, floor ${next.value.floor.seq}`);
      },
    }),
    peerAt: () => ({
      position,
      replicate: unused,
      countMisplaced: unused,
      transferLeadership: unused,
      reportSilence: unused,
      moveIn: unused,
      moveOut: unused,
    }),
    clock: new VirtualClock(),
    acceptDataLoss: true,
    signal: new AbortController().signal,
  });
  assert.deepEqual(changes, ["first epoch 8, floor 41", "epoch 8", "first epoch 8, floor 900"]);
  assert.deepEqual(logs.value.stores, new Map([[2, "s"]]));
});
