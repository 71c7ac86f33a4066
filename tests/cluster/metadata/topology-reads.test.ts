import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText, formatGroupState } from "../../../src/cluster/metadata/codec.ts";
import {
  type Coordination,
  CoordinationError,
  type OpenSession,
} from "../../../src/coordination/coordination.ts";
import { errorOf } from "../../../src/coordination/zookeeper-errors.ts";
import { type Call, type Intercept, interceptedSession } from "../../support/intercepted-session.ts";
import { Members } from "../../support/members.ts";
import { watch } from "../../support/topology.ts";

const noData = new Uint8Array();
const state = {
  epoch: 1,
  primary: { number: 1, incarnation: "5" },
  inSync: [{ number: 1, incarnation: "5" }],
};

/** Opens sessions every call of which `intercept` sees; `opened` are those behind them. */
function interceptedOpener(members: Members, intercept: Intercept, opened: Coordination[] = []): OpenSession {
  return async (options) => {
    const session = await members.service.opener()(options);
    opened.push(session);
    return interceptedSession(session, intercept);
  };
}

describe("the reads of the watched topology", () => {
  it("tries again later what the service refuses to show", async () => {
    const members = await Members.start();
    members.node("g", "a:1");
    await members.idle();
    let refusals = 0;
    const intercept: Intercept = async ({ path }, perform) => {
      if (path === "/data/g/1" && ++refusals <= 3) throw new CoordinationError("NO_AUTH", "no", { path });
      return perform();
    };
    const { source, diagnostics, seen } = watch(members, interceptedOpener(members, intercept));
    await members.idle();
    assert.deepEqual(seen[0]?.groups.get("g")?.nodes, []);
    assert.equal(source.current?.groups.get("g")?.nodes[0]?.address, "a:1");
    assert.equal(diagnostics.length, 1);
    assert.match(diagnostics[0] ?? "", /^\/data\/g\/1 does not let us in/);
  });

  it("takes nothing for absent that an overloaded server does not show", async () => {
    const members = await Members.start();
    const { observer } = members;
    members.node("g", "a:1");
    await members.idle();
    await observer.create("/data/g/state", formatGroupState(state), "persistent");
    let refusals = 0;
    const intercept: Intercept = async ({ name, path }, perform) => {
      // See ZooKeeper's KeeperException.Code.THROTTLEDOP.
      if (refusals > 0 && path === "/data/g/state" && refusals--) throw errorOf(-127, name, path);
      return perform();
    };
    const { source, seen } = watch(members, interceptedOpener(members, intercept));
    await members.idle();
    refusals = 3;
    await observer.set("/data/g/state", formatGroupState({ ...state, epoch: 2 }), 0);
    await members.idle();
    assert.equal(refusals, 0);
    assert.equal(source.current?.groups.get("g")?.state?.value.epoch, 2);
    assert.ok(seen.every(({ groups }) => groups.get("g")?.state !== undefined));
  });

  it("reads 100 groups of 3 nodes with few calls, and after a change only what has changed", async () => {
    const members = await Members.start();
    const { observer } = members;
    await observer.create("/data", noData, "persistent");
    for (let group = 0; group < 100; group++) {
      await observer.create(`/data/g${group}`, noData, "persistent");
      await observer.create(`/data/g${group}/state`, formatGroupState(state), "persistent");
      for (const number of [1, 2, 3]) {
        await observer.create(`/data/g${group}/${number}`, encodeText(`a:${number}`), "ephemeral");
      }
    }
    const calls: Call[] = [];
    const intercept: Intercept = (call, perform) => {
      calls.push(call);
      return perform();
    };
    const opened: Coordination[] = [];
    const { source } = watch(members, interceptedOpener(members, intercept, opened));
    await members.idle();
    const [session] = opened;
    assert.equal(source.current?.groups.size, 100);
    assert.ok(calls.length <= 510, `${calls.length} calls`);
    assert.equal(new Set(calls.map(({ path, name }) => `${name} ${path}`)).size, calls.length);

    calls.length = 0;
    await observer.create("/data/g50/4", encodeText("a:4"), "ephemeral");
    await members.idle();
    assert.deepEqual(
      calls.map(({ name, path }) => `${name} ${path}`),
      ["children /data/g50", "get /data/g50/4"],
    );

    // A reconnect reads everything again, but sets no watch that is set already.
    calls.length = 0;
    assert.ok(session);
    members.service.disconnect(session);
    members.service.reconnect(session);
    await members.idle();
    assert.equal(source.current?.staleSinceMs, undefined);
    assert.ok(calls.length <= 510, `${calls.length} calls`);
    assert.ok(!calls.some(({ setsWatch }) => setsWatch));
  });

  it("reads a part once at a time, however fast it changes", async () => {
    const members = await Members.start();
    const { observer } = members;
    members.node("g", "a:1");
    await members.idle();
    await observer.create("/data/g/state", formatGroupState(state), "persistent");
    const { promise: slowRead, resolve: goOn } = Promise.withResolvers<void>();
    let now = 0;
    let most = 0;
    let reads = 0;
    const intercept: Intercept = async ({ path }, perform) => {
      if (path !== "/data/g/state") return await perform();
      most = Math.max(most, ++now);
      reads++;
      const answer = await perform();
      await slowRead;
      now--;
      return answer;
    };
    const { source } = watch(members, interceptedOpener(members, intercept));
    await members.idle();
    await observer.set("/data/g/state", formatGroupState({ ...state, epoch: 2 }), 0);
    for (const number of [2, 3, 4])
      await observer.create(`/data/g/${number}`, encodeText("b:1"), "ephemeral");
    await observer.set("/data/g/state", formatGroupState({ ...state, epoch: 3 }), 1);
    goOn();
    await members.idle();
    assert.equal(most, 1);
    assert.equal(reads, 2);
    assert.equal(source.current?.groups.get("g")?.state?.value.epoch, 3);
    assert.equal(source.current?.groups.get("g")?.nodes.length, 4);
  });

  it("does not pass for current what was read before the connection was lost", async () => {
    const members = await Members.start();
    members.node("g", "a:1");
    await members.idle();
    const { promise: slowRead, resolve: goOn } = Promise.withResolvers<void>();
    const intercept: Intercept = async ({ path }, perform) => {
      const answer = await perform();
      if (path === "/ring") await slowRead;
      return answer;
    };
    const opened: Coordination[] = [];
    const { source, seen } = watch(members, interceptedOpener(members, intercept, opened));
    await members.idle();
    const [session] = opened;
    assert.ok(session);
    members.service.disconnect(session);
    goOn();
    members.clock.timer(1, () => {
      assert.deepEqual(seen, []);
      members.service.reconnect(session);
    });
    await members.idle();
    assert.equal(source.current?.staleSinceMs, undefined);
    assert.equal(source.current?.groups.size, 1);
  });
});
