import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { faults, faultySessions, withEachFault } from "../../support/faulty-sessions.ts";
import { Members } from "../../support/members.ts";
import { skippingClock } from "../../support/skipping-clock.ts";

describe("registration under faults", () => {
  it("ends with one number and a right top whatever fault meets the first router, or a later one", async () => {
    for (const others of [0, 2]) {
      await withEachFault(async (faultAt, fault) => {
        const members = await Members.start();
        for (let other = 0; other < others; other++) members.router(`other:${other + 1}`);
        await members.idle();
        const sessions = faultySessions(members.service, faultAt);
        const router = members.router("a:1", sessions.open);
        await members.idle();
        await checkRouters(members, others + 1);
        const { current } = router.registration;
        assert.ok(current);
        assert.equal(await members.text(`/server/${current.number}`), "a:1");
        if (!fault.startsWith("expired")) assert.equal(current.number, others);
        // What mends itself is no trouble.
        assert.deepEqual(router.diagnostics, []);
        return sessions;
      });
    }
  });

  it("ends with one master whatever fault meets a router that takes over", async () => {
    await withEachFault(async (faultAt) => {
      const members = await Members.start();
      const master = members.router("a:1");
      await members.idle();
      const sessions = faultySessions(members.service, faultAt);
      members.router("b:1", sessions.open);
      await members.idle();
      members.router("c:1");
      await members.idle();
      await master.sessions.stop();
      await members.idle();
      await checkRouters(members, 2);
      return sessions;
    });
  });

  it("ends with one number and a right top whatever fault meets a new node", async () => {
    await withEachFault(async (faultAt, fault) => {
      const members = await Members.start();
      members.node("g", "other:1");
      await members.idle();
      const sessions = faultySessions(members.service, faultAt);
      const node = members.node("g", "a:1", undefined, sessions.open);
      await members.idle();
      const number = node.registration.current?.number ?? 0;
      assert.deepEqual(await members.numbered("/data/g"), { 1: "other:1", [number]: "a:1" });
      assert.equal(await members.text("/data/g/top"), String(number + 1));
      assert.deepEqual(await members.observer.children("/data/lock"), []);
      if (!fault.startsWith("expired")) assert.equal(number, 2);
      return sessions;
    });
  });

  it("ends with its own number whatever fault meets a node that returns", async () => {
    await withEachFault(async (faultAt) => {
      const members = await Members.start();
      const before = members.node("g", "a:1", 4);
      await members.idle();
      const sessions = faultySessions(members.service, faultAt);
      const after = members.node("g", "a:1", 4, sessions.open);
      before.sessions.use((_, signal) => signal.addEventListener("abort", () => void before.sessions.stop()));
      members.expire(before);
      await members.idle();
      assert.equal(after.registration.current?.number, 4);
      assert.deepEqual(await members.numbered("/data/g"), { 4: "a:1" });
      assert.equal(await members.text("/data/g/top"), "5");
      assert.deepEqual(await members.observer.children("/data/lock"), []);
      return sessions;
    });
  });

  it("ends right when every process meets many faults", async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const members = await Members.start();
      const { random } = skippingClock(seed);
      const plan = (operation: number) =>
        operation < 100 && random() < 0.1 ? faults[Math.floor(random() * faults.length)] : undefined;
      for (const address of ["a:1", "b:1", "c:1"]) {
        members.router(address, faultySessions(members.service, plan).open);
        members.node("g", address, undefined, faultySessions(members.service, plan).open);
      }
      await members.idle();
      await checkRouters(members, 3);
      const nodes = await members.numbered("/data/g");
      assert.deepEqual(Object.values(nodes).sort(), ["a:1", "b:1", "c:1"], `seed ${seed}`);
      assert.ok(Number(await members.text("/data/g/top")) > Math.max(...Object.keys(nodes).map(Number)));
      assert.deepEqual(await members.observer.children("/data/lock"), []);
    }
  });
});

/** Every router has one number, one of them 0; nobody holds the lock; no number was given away twice. */
async function checkRouters(members: Members, count: number): Promise<void> {
  const routers = await members.numbered("/server");
  const numbers = Object.keys(routers).map(Number);
  assert.equal(numbers.length, count);
  assert.equal(new Set(Object.values(routers)).size, count);
  assert.ok(numbers.includes(0));
  assert.deepEqual(await members.observer.children("/server/lock"), []);
  if (count > 1) assert.ok(Number(await members.text("/server/top")) > Math.max(...numbers));
}
