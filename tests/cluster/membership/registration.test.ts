import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMaster } from "../../../src/cluster/membership/registration-keeper.ts";
import { encodeText } from "../../../src/cluster/metadata/codec.ts";
import { sleep } from "../../../src/common/clock.ts";
import type { OpenSession } from "../../../src/coordination/coordination.ts";
import { interceptedSession } from "../../support/intercepted-session.ts";
import { Members } from "../../support/members.ts";

describe("registration of routers", () => {
  it("makes the first one master and gives the others numbers from 1", async () => {
    const members = await Members.start();
    const first = members.router("a:1");
    await members.idle();
    const second = members.router("b:1");
    await members.idle();
    const third = members.router("c:1");
    await members.idle();
    assert.deepEqual(await members.numbered("/server"), { 0: "a:1", 1: "b:1", 2: "c:1" });
    assert.equal(await members.text("/server/top"), "3");
    assert.deepEqual(
      [first, second, third].map(({ registration }) => isMaster(registration.current)),
      [true, false, false],
    );
    const stat = await members.observer.exists("/server/2");
    assert.equal(third.registration.current?.incarnation, stat?.czxid);
    assert.ok(stat?.ephemeral);
  });

  it("makes exactly one of several that start together master", async () => {
    const members = await Members.start();
    const routers = ["a:1", "b:1", "c:1", "d:1"].map((address) => members.router(address));
    await members.idle();
    assert.deepEqual(Object.keys(await members.numbered("/server")), ["0", "1", "2", "3"]);
    assert.equal(routers.filter(({ registration }) => isMaster(registration.current)).length, 1);
    assert.equal(await members.text("/server/top"), "4");
    assert.deepEqual(await members.observer.children("/server/lock"), []);
  });

  it("makes one of the others master when the master's session is lost, in place of its own number", async () => {
    const members = await Members.start();
    const first = members.router("a:1");
    await first.registered;
    const second = members.router("b:1");
    await second.registered;
    const third = members.router("c:1");
    await members.idle();
    members.expire(first);
    await members.idle();
    // The one that lost its session comes back under a number that nobody has had.
    assert.deepEqual(await members.numbered("/server"), { 0: "b:1", 2: "c:1", 3: "a:1" });
    assert.deepEqual(first.numbers, [0, undefined, 3]);
    assert.deepEqual(second.numbers, [1, 0]);
    assert.deepEqual(third.numbers, [2]);
    assert.equal(await members.text("/server/top"), "4");
  });

  it("always has one master, whoever leaves", async () => {
    const members = await Members.start();
    const routers = ["a:1", "b:1", "c:1", "d:1"].map((address) => members.router(address));
    for (let left = routers.length; left > 0; left--) {
      await members.idle();
      const masters = routers.filter(({ registration }) => isMaster(registration.current));
      assert.equal(masters.length, 1);
      assert.equal(Object.keys(await members.numbered("/server")).length, left);
      await masters[0]?.sessions.stop();
    }
    await members.idle();
    assert.deepEqual(await members.numbered("/server"), {});
  });

  it("is master for certain only while connected", async () => {
    const members = await Members.start();
    const { registration, sessions } = members.router("a:1");
    await members.idle();
    const session = sessions.current;
    assert.ok(session);
    members.service.disconnect(session);
    assert.ok(!isMaster(registration.current));
    members.service.reconnect(session);
    assert.ok(isMaster(registration.current));
  });

  it("takes the master's place over at once from an earlier process at its own address", async () => {
    const members = await Members.start();
    const before = members.router("a:1");
    members.router("b:1");
    await members.idle();
    assert.ok(before.sessions.current);
    // Its process is gone, but the service waits for the session's time-out.
    members.service.disconnect(before.sessions.current);
    const after = members.router("a:1");
    assert.equal(await after.registered, 0);
    assert.equal(members.clock.monotonicMs(), 0);
  });

  it("leaves another alone that answers at the address that it announces, says so once, and waits", async () => {
    const members = await Members.start();
    const first = members.router("a:1");
    await members.idle();
    let answerer: "self" | "other" | "nobody" = "other";
    members.whoAnswers = async () => answerer;
    const second = members.router("a:1");
    assert.match(await second.troubled, /^another process answers at a:1, which this one announces too/);
    await sleep(members.clock, 60_000);
    assert.deepEqual(await members.numbered("/server"), { 0: "a:1" });
    assert.deepEqual(
      [first.numbers, first.diagnostics, second.numbers, second.diagnostics.length],
      [[0], [], [], 1],
    );
    // The address does not lead here just because nobody else is there now.
    answerer = "nobody";
    await first.sessions.stop();
    await sleep(members.clock, 60_000);
    assert.deepEqual([await members.numbered("/server"), second.diagnostics.length], [{}, 1]);
    answerer = "self";
    assert.equal(await second.registered, 0);
    await second.sessions.stop();
  });

  it("waits for the session of what has its address, when it cannot see itself there", async () => {
    const members = await Members.start();
    const before = members.router("a:1");
    await members.idle();
    members.whoAnswers = async () => "nobody";
    const after = members.router("a:1");
    assert.match(await after.troubled, /^nobody answers at a:1, which this process announces/);
    assert.equal(await after.registered, 1);
    members.expire(before);
    await before.sessions.stop();
    await members.idle();
    assert.deepEqual(after.numbers, [1, 0]);
  });

  it("does not take its place back from another machine at which the address means something else", async () => {
    const members = await Members.start();
    const first = members.router("127.0.0.1:1");
    await members.idle();
    const second = members.router("127.0.0.1:1");
    await members.idle();
    await sleep(members.clock, 60_000);
    assert.deepEqual([first.numbers.at(-1), second.numbers], [1, [0]]);
  });

  it("clears away what an earlier process at its address has left, whatever its number", async () => {
    const members = await Members.start();
    members.router("a:1");
    await members.idle();
    const before = members.router("b:1");
    await members.idle();
    assert.ok(before.sessions.current);
    members.service.disconnect(before.sessions.current);
    await members.router("b:1").registered;
    assert.deepEqual(await members.numbered("/server"), { 0: "a:1", 2: "b:1" });
  });

  it("is not deterred by somebody who registers without the lock", async () => {
    const members = await Members.start();
    const open: OpenSession = async (options) =>
      interceptedSession(await members.service.opener()(options), async ({ name, path }, perform) => {
        if (name === "create" && path === "/server/0") {
          await members.observer.create(path, encodeText("old:1"), "ephemeral").catch(() => {});
        }
        return await perform();
      });
    const router = members.router("a:1", open);
    await members.idle();
    assert.deepEqual(await members.numbered("/server"), { 0: "old:1", 1: "a:1" });
    assert.deepEqual(router.diagnostics, []);
  });

  it("tells of a place only while connected, so that a master can begin at once", async () => {
    const members = await Members.start();
    const { service, clock } = members;
    const states: boolean[] = [];
    const open: OpenSession = async (options) => {
      const session = await service.opener()(options);
      return interceptedSession(session, async ({ name }, perform) => {
        const answer = await perform();
        if (name === "delete") {
          service.disconnect(session);
          clock.timer(100, () => {
            states.push(isMaster(router.registration.current));
            service.reconnect(session);
          });
        }
        return answer;
      });
    };
    const router = members.router("a:1", open);
    assert.equal(await router.registered, 0);
    assert.ok(isMaster(router.registration.current));
    assert.deepEqual(states, [false]);
  });

  it("leaves at once when it stops", async () => {
    const members = await Members.start();
    const router = members.router("a:1");
    await members.idle();
    await router.sessions.stop();
    assert.deepEqual(await members.numbered("/server"), {});
    assert.deepEqual(router.numbers, [0, undefined]);
    assert.equal(router.sessions.current, undefined);
  });

  it("registers afresh when somebody deletes or overwrites its znode", async () => {
    const members = await Members.start();
    members.router("a:1");
    await members.idle();
    const router = members.router("b:1");
    await members.idle();
    await members.remove("/server/1");
    await members.idle();
    assert.deepEqual(await members.numbered("/server"), { 0: "a:1", 2: "b:1" });
    await members.overwrite("/server/2", "something else");
    await members.idle();
    assert.deepEqual(Object.values(await members.numbered("/server")), ["a:1", "b:1"]);
    assert.deepEqual(router.numbers.slice(0, 3), [1, undefined, 2]);
    assert.equal(router.numbers.at(-2), undefined);
  });

  it("says what is wrong while /server/top is not a number, and goes on when it is mended", async () => {
    const members = await Members.start();
    members.router("a:1");
    await members.idle();
    await members.observer.create("/server/top", encodeText("many"), "persistent");
    const router = members.router("b:1");
    members.clock.timer(60_000, () => void members.overwrite("/server/top", "7"));
    await members.idle();
    assert.deepEqual(router.diagnostics, [
      '/server/top holds "many"; expected the next number to give away, from 0 to 4294967295; correct or delete it',
    ]);
    assert.deepEqual(router.numbers, [7]);
    assert.equal(await members.text("/server/top"), "8");
  });

  it("registers all the same, and says so, while a persistent znode is in the master's place", async () => {
    const members = await Members.start();
    await members.observer.create("/server", new Uint8Array(), "persistent");
    await members.observer.create("/server/0", new Uint8Array(), "persistent");
    const router = members.router("a:1");
    await members.idle();
    assert.deepEqual(router.numbers, [1]);
    assert.deepEqual(router.diagnostics, [
      "/server/0 is not ephemeral, so it was made by none of ours; no router can become master until it is deleted",
    ]);
    await members.overwrite("/server/0", "still here");
    await members.idle();
    assert.deepEqual(router.numbers, [1]);
    await members.remove("/server/0");
    await members.idle();
    assert.deepEqual(router.numbers, [1, 0]);
    assert.equal(router.diagnostics.length, 1);
  });

  it("lets nobody else write its znodes, and tells who has other credentials what to do", async () => {
    const members = await Members.start();
    const { service, observer } = members;
    const router = members.router("a:1", service.opener({ auth: "kv:secret" }), "creator-writes");
    await router.registered;
    assert.equal(await members.text("/server/0"), "a:1");
    await assert.rejects(observer.create("/server/9", new Uint8Array(), "persistent"), { code: "NO_AUTH" });
    await assert.rejects(observer.set("/server/0", new Uint8Array(), 0), { code: "NO_AUTH" });
    const stranger = members.router("b:1");
    assert.match(await stranger.troubled, /^\/server\/lock\/lock- does not let us in: .* zooauth/);
    await stranger.sessions.stop();
    assert.equal(stranger.diagnostics.length, 1);
  });

  it("registers afresh without delay, however often, when it had its place for a while each time", async () => {
    const members = await Members.start();
    const { clock } = members;
    const router = members.router("a:1");
    for (let loss = 0; loss < 10; loss++) {
      await members.idle();
      await sleep(clock, 11_000);
      const lostMs = clock.monotonicMs();
      await members.remove("/server/0");
      await members.idle();
      assert.equal(router.numbers.at(-1), 0);
      assert.ok(clock.monotonicMs() - lostMs <= 100);
    }
  });
});
