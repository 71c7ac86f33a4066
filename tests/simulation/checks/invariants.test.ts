// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { put } from "./by-hand.ts";
import { Invariants } from "./invariants.ts";
import { ShadowLog } from "./shadow-log.ts";

describe("the check of who enters the in-sync set", () => {
  const records: LogRecord[] = [1, 2, 3].map((seq) => ({ epoch: 1, seq, changes: [put(`k${seq}`, "a")] }));
  const member = (number: number, incarnation: string) => ({ number, incarnation });

  /** Node 1 has committed three records; node 2 has had them, and an old copy of its log, with one, has come back. */
  async function withOldLog() {
    const invariants = new Invariants({ leaseMs: 1, minSync: 1 }, () => 0);
    const group = invariants.group("g");
    const logs = await Promise.all(
      [1, 2].map(async (number) => {
        const store = await openOn(new SimulatedDisk());
        const owner = { cluster: "c", group: "g", number };
        await store.adopt(owner);
        const log = new ShadowLog(`n${number}`, "g");
        group.replicas.add(log);
        invariants.opened(log, store);
        return { log, store };
      }),
    );
    const [one, two] = [logs[0] ?? assert.fail(), logs[1] ?? assert.fail()];
    const append = async ({ log, store }: typeof one, some: readonly LogRecord[]) => {
      await store.append(some);
      log.append(some);
    };
    await append(one, records);
    await append(two, records.slice(0, 1));
    const { facts } = two.log;
    await append(two, records.slice(1));
    group.lives.set("a", { log: one.log, spoils: 0 });
    group.lives.set("b", { log: two.log, spoils: 0 });
    const enter = (...inSync: { number: number; incarnation: string }[]) =>
      invariants.stateChanged("g", { epoch: 1, primary: member(1, "a"), inSync }, "n1", { replica: 1 });
    enter(member(1, "a"));
    invariants.committing(one.log, 3);
    two.log.closed();
    two.log.overwritten(facts);
    const store = await openOn(new SimulatedDisk());
    const owner = { cluster: "c", group: "g", number: 2 };
    await store.adopt(owner);
    await store.append(records.slice(0, 1));
    invariants.opened(two.log, store);
    return { invariants, group, enter, append, two: { log: two.log, store } };
  }

  it("finds a life that was begun with an old log, and lacks what is committed", async () => {
    const { invariants, group, enter, two } = await withOldLog();
    group.lives.set("c", { log: two.log, spoils: two.log.spoils });
    enter(member(1, "a"), member(2, "c"));
    assert.match(invariants.violation ?? "", /n2, whose log was lost, enters .* without 1\.3 .*ends at 1/);
  });

  it("takes it for whole again once it has everything", async () => {
    const { invariants, group, enter, append, two } = await withOldLog();
    group.lives.set("c", { log: two.log, spoils: two.log.spoils });
    await append(two, records.slice(1));
    assert.equal(group.isWholeBeside(group.replica(1) ?? assert.fail()), false);
    enter(member(1, "a"), member(2, "c"));
    assert.equal(invariants.violation, undefined);
    assert.equal(two.log.isSpoiled, false);
    assert.equal(group.isWholeBeside(group.replica(1) ?? assert.fail()), true);
  });

  it("finds a floor above what is committed", async () => {
    const { invariants } = await withOldLog();
    invariants.floorSet("g", { epoch: 1, seq: 3 });
    assert.equal(invariants.violation, undefined);
    invariants.floorSet("g", { epoch: 1, seq: 4 });
    assert.match(invariants.violation ?? "", /the floor of group g is record 4, and 3 are committed/);
  });

  it("takes a life that had everything, and has ended with its log", async () => {
    const { invariants, group, enter, two } = await withOldLog();
    enter(member(1, "a"), member(2, "b"));
    assert.equal(invariants.violation, undefined);
    assert.equal(two.log.isSpoiled, true);
    assert.equal(group.isWholeBeside(group.replica(1) ?? assert.fail()), false);
  });
});
