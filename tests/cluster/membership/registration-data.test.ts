import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText, formatGroupState } from "../../../src/cluster/metadata/codec.ts";
import { sleep } from "../../../src/common/clock.ts";
import { Members } from "../../support/members.ts";

describe("registration of data nodes", () => {
  it("gives numbers from 1 in each group, which a node keeps when it returns", async () => {
    const members = await Members.start();
    const first = members.node("g", "a:1");
    await members.idle();
    members.node("g", "b:1");
    members.node("h", "c:1");
    await members.idle();
    assert.deepEqual(await members.numbered("/data/g"), { 1: "a:1", 2: "b:1" });
    assert.deepEqual(await members.numbered("/data/h"), { 1: "c:1" });
    assert.equal(await members.text("/data/g/top"), "3");
    const before = first.registration.current?.incarnation;
    members.expire(first);
    await members.idle();
    assert.deepEqual(first.numbers, [1, undefined, 1]);
    assert.notEqual(first.registration.current?.incarnation, before);
    assert.equal(await members.text("/data/g/top"), "3");
  });

  it("takes the number of the log's header, and gives no other node that number if ZooKeeper was emptied", async () => {
    const members = await Members.start();
    members.node("g", "a:1", 5);
    await members.idle();
    members.node("g", "b:1", 2);
    await members.idle();
    members.node("g", "c:1");
    await members.idle();
    assert.deepEqual(await members.numbered("/data/g"), { 2: "b:1", 5: "a:1", 6: "c:1" });
    assert.equal(await members.text("/data/g/top"), "7");
  });

  it("gives a new node the next free number when the top is behind", async () => {
    const members = await Members.start();
    members.node("g", "a:1", 1);
    members.node("g", "b:1", 2);
    await members.idle();
    await members.remove("/data/g/top");
    const node = members.node("g", "c:1");
    await members.idle();
    assert.deepEqual(node.numbers, [3]);
    assert.equal(await members.text("/data/g/top"), "4");
  });

  it("never gives a new node the number of a replica in sync, even when the top is gone", async () => {
    const members = await Members.start();
    const node = members.node("g", "a:1");
    await members.idle();
    const member = { number: 6, incarnation: "1" };
    const state = formatGroupState({ epoch: 1, primary: undefined, inSync: [member] });
    await members.observer.create("/data/g/state", state, "persistent");
    await members.remove("/data/g/top");
    await node.sessions.stop();
    const other = members.node("g", "b:1");
    await members.idle();
    assert.deepEqual(other.numbers, [7]);
    assert.equal(await members.text("/data/g/top"), "8");
  });

  it("waits with a new node, and says so, while the group's state cannot be read", async () => {
    const members = await Members.start();
    const { observer } = members;
    await observer.create("/data", new Uint8Array(), "persistent");
    await observer.create("/data/g", new Uint8Array(), "persistent");
    await observer.create("/data/g/state", encodeText("?"), "persistent");
    const node = members.node("g", "a:1");
    assert.match(await node.troubled, /^\/data\/g\/state holds "\?"; expected /);
    await members.remove("/data/g/state");
    await members.idle();
    assert.deepEqual(node.numbers, [1]);
    assert.equal(node.diagnostics.length, 1);
  });

  it("replaces at once what an earlier process at its own address has left", async () => {
    const members = await Members.start();
    const before = members.node("g", "a:1");
    await members.idle();
    const session = before.sessions.current;
    assert.ok(session);
    // Its process is gone, but the service waits for the session's time-out.
    const stat = await members.observer.exists("/data/g/1");
    const after = members.node("g", "a:1", 1);
    members.service.disconnect(session);
    assert.equal(await after.registered, 1);
    assert.equal(members.clock.monotonicMs(), 0);
    assert.notEqual((await members.observer.exists("/data/g/1"))?.czxid, stat?.czxid);
    assert.deepEqual(after.diagnostics, []);
  });

  it("leaves another alone that answers at the address that it announces, says so once, and waits", async () => {
    const members = await Members.start();
    const first = members.node("g", "a:1");
    await members.idle();
    members.whoAnswers = async () => "other";
    for (const number of [undefined, 1, 2]) {
      const second = members.node("g", "a:1", number);
      assert.match(await second.troubled, /^another process answers at a:1, which this one announces too/);
      await sleep(members.clock, 60_000);
      assert.deepEqual(await members.numbered("/data/g"), { 1: "a:1" });
      assert.deepEqual([first.numbers, second.numbers, second.diagnostics.length], [[1], [], 1]);
      await second.sessions.stop();
    }
  });

  it("waits, says so once and holds nobody up while another address has its number", async () => {
    const members = await Members.start();
    const before = members.node("g", "a:1");
    await members.idle();
    const after = members.node("g", "b:1", 1);
    await members.idle();
    const other = members.node("g", "c:1");
    await members.idle();
    assert.deepEqual(after.numbers, []);
    assert.equal(after.diagnostics.length, 1);
    assert.match(
      after.diagnostics[0] ?? "",
      /^\/data\/g\/1 is held by "a:1", and 1 is the number in our own log; waiting/,
    );
    assert.deepEqual(other.numbers, [2]);
    await before.sessions.stop();
    await members.idle();
    assert.deepEqual(after.numbers, [1]);
    assert.equal(after.diagnostics.length, 1);
  });

  it("registers afresh when somebody deletes its znode", async () => {
    const members = await Members.start();
    const node = members.node("g", "a:1");
    await members.idle();
    await members.remove("/data/g/1");
    await members.idle();
    assert.deepEqual(node.numbers, [1, undefined, 1]);
    assert.deepEqual(await members.numbered("/data/g"), { 1: "a:1" });
  });
});
