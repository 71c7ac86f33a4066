import assert from "node:assert/strict";
import { test } from "node:test";
import { countAssigned } from "../../../src/cluster/node/assigned-keys.ts";
import { HashRing } from "../../../src/cluster/ring/hash-ring.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** A log with keys that belong to two groups, and longer values for one of them. */
async function filledLog(clock: VirtualClock, count: number) {
  const store = await openOn(new SimulatedDisk(), { clock });
  const put = (key: string, seq: number) => ({
    epoch: 1,
    seq,
    changes: [{ kind: "put" as const, key, value: new Uint8Array(30), text: false, previous: 0 }],
  });
  const records = Array.from({ length: count }, (_, index) => put(`key ${index}`, index + 1));
  await clock.settled(store.append(records));
  store.commit(count);
  return { store, put };
}

test("keys and their bytes are counted by the group that another ring assigns them to", async () => {
  const clock = new VirtualClock();
  const { store } = await filledLog(clock, 2500);
  const ring = new HashRing(["a", "b"], { virtualNodes: 16 });
  const counts = await clock.settled(countAssigned(store, ring, clock));
  const keysOf = (group: string) => [...store.keys()].filter((key) => ring.owner(key) === group);
  for (const group of ["a", "b"]) {
    const bytes = keysOf(group).reduce((sum, key) => sum + store.entryBytes(key), 0);
    assert.deepEqual(
      counts.find((each) => each.group === group),
      { group, keys: keysOf(group).length, bytes },
    );
    assert.ok(bytes > 30 * keysOf(group).length);
  }
  assert.equal(counts.length, 2);
});

test("an empty log has keys for nobody", async () => {
  const clock = new VirtualClock();
  const { store } = await filledLog(clock, 0);
  assert.deepEqual(await clock.settled(countAssigned(store, new HashRing(["a"]), clock)), []);
});

test("the count goes on while keys are written and deleted", async () => {
  const clock = new VirtualClock();
  const { store, put } = await filledLog(clock, 3000);
  const counting = countAssigned(store, new HashRing(["a"]), clock);
  for (let seq = 3001; seq <= 3200; seq++) {
    const record = put(`another ${seq}`, seq);
    await clock.settled(store.append([record]));
    store.commit(seq);
  }
  const [{ keys } = assert.fail()] = await clock.settled(counting);
  assert.ok(keys >= 3000 && keys <= 3200, String(keys));
});
