import assert from "node:assert/strict";
import { test } from "node:test";
import { type Consent, planRecovery, recoverGroup } from "../../../src/cluster/election/recovery.ts";
import type {
  GroupLogs,
  GroupState,
  GroupView,
  NodeView,
  Versioned,
} from "../../../src/cluster/metadata/model.ts";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
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

/** Recovers group zdata1 of epoch 7, whose node 2 has 900 records of epoch 6. Returns what was changed, in order. */
async function recover(consent: Consent): Promise<{ changes: string[]; logs: GroupLogs | undefined }> {
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
    consent,
    signal: new AbortController().signal,
  }).catch((error) => {
    assert.deepEqual(changes, [], "a refusal changes nothing");
    throw error;
  });
  return { changes, logs: logs.value };
}

test("the next history is noted before it begins, and the floor is lowered after that", async () => {
  const { changes, logs } = await recover("any");
  assert.deepEqual(changes, ["first epoch 8, floor 41", "epoch 8", "first epoch 8, floor 900"]);
  assert.deepEqual(logs?.stores, new Map([[2, "s"]]));
});

test("a recovery needs consent to its loss: in this epoch, and with no less of the log than was told", async () => {
  const told = { epoch: 7, last: { epoch: 6, seq: 900 } };
  const refused = (consent: Consent, why: RegExp) =>
    assert.rejects(recover(consent), (error) => {
      assert.ok(error instanceof OperationError);
      assert.equal(error.code, "data-loss");
      assert.match(error.message, why);
      assert.deepEqual({ epoch: error.loss?.epoch, last: error.loss?.last }, told);
      return true;
    });
  await refused("none", /set accept_data_loss to go on/);
  // A request that comes when the group has gone on and was lost again; one to a router that is behind.
  await refused({ ...told, epoch: 6 }, /had epoch 6 when a loss was accepted, and has epoch 7 now/);
  await refused({ ...told, epoch: 8 }, /had epoch 8 when a loss was accepted, and has epoch 7 now/);
  await refused({ ...told, last: { epoch: 6, seq: 901 } }, /accepted was a log up to record 901 of epoch 6/);
  await refused({ ...told, last: { epoch: 7, seq: 1 } }, /accepted was a log up to record 1 of epoch 7/);
  for (const last of [told.last, { epoch: 6, seq: 1 }, { epoch: 5, seq: 1000 }]) {
    assert.equal((await recover({ epoch: 7, last })).changes.length, 3);
  }
});
