import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText, formatGroupState, formatRingState } from "../../../src/cluster/metadata/codec.ts";
import { Members } from "../../support/members.ts";
import { plain, watch } from "../../support/topology.ts";

const noData = new Uint8Array();
const state = {
  epoch: 1,
  primary: { number: 1, incarnation: "5" },
  inSync: [{ number: 1, incarnation: "5" }],
};
const ring = { version: 1, virtualNodes: 2, groups: ["g"], written: false };

describe("the watched topology", () => {
  it("knows nothing before everything has been read, then an empty cluster", async () => {
    const members = await Members.start();
    const { source, seen } = watch(members);
    assert.equal(source.current, undefined);
    await members.idle();
    assert.deepEqual(seen, [
      { cluster: undefined, ring: undefined, groups: new Map(), routers: [], staleSinceMs: undefined },
    ]);
    assert.equal(source.current, seen[0]);
  });

  it("follows everything that comes, changes and goes", async () => {
    const members = await Members.start();
    const { observer } = members;
    const { source, diagnostics } = watch(members);
    await members.idle();
    members.router("r:1");
    await members.idle();
    const node = members.node("g", "a:1");
    await members.idle();
    members.node("g", "b:1");
    members.node("f", "c:1");
    await observer.create("/ring", formatRingState(ring), "persistent");
    await members.idle();
    const nodesOfG = { 1: "a:1", 2: "b:1" };
    const expected = {
      stale: false,
      routers: { 0: "r:1" },
      groups: { f: { nodes: { 1: "c:1" }, epoch: undefined }, g: { nodes: nodesOfG, epoch: undefined } },
      ring: 1,
    };
    assert.deepEqual(plain(source.current), expected);
    assert.deepEqual([...(source.current?.groups.keys() ?? [])], ["f", "g"]);
    const before = source.current;

    await observer.create("/data/g/state", formatGroupState(state), "persistent");
    await observer.set("/ring", formatRingState({ ...ring, version: 2 }), 0);
    await node.sessions.stop();
    await members.idle();
    assert.deepEqual(plain(source.current), {
      ...expected,
      groups: { f: { nodes: { 1: "c:1" }, epoch: undefined }, g: { nodes: { 2: "b:1" }, epoch: 1 } },
      ring: 2,
    });
    assert.deepEqual(source.current?.ring, { value: { ...ring, version: 2 }, version: 1 });
    assert.deepEqual(source.current?.groups.get("g")?.state, { value: state, version: 0 });
    // What it was before has stayed as it was.
    assert.deepEqual(plain(before), expected);

    await observer.set("/data/g/state", formatGroupState({ ...state, epoch: 2 }), 0);
    await members.remove("/ring");
    await members.idle();
    assert.equal(source.current?.groups.get("g")?.state?.value.epoch, 2);
    assert.equal(source.current?.ring, undefined);
    assert.deepEqual(diagnostics, []);
  });

  it("has each group of the ring, also one whose znodes were not seen yet", async () => {
    const members = await Members.start();
    const { source } = watch(members);
    members.node("g", "a:1");
    const change = { id: 1, virtualNodes: 2, groups: ["g", "h", "f"], done: [], paused: false };
    await members.observer.create(
      "/ring",
      formatRingState({ ...ring, groups: ["g", "h"], change }),
      "persistent",
    );
    await members.idle();
    const none = { nodes: {}, epoch: undefined };
    assert.deepEqual(plain(source.current).groups, {
      f: none,
      g: { nodes: { 1: "a:1" }, epoch: undefined },
      h: none,
    });
    assert.deepEqual([...(source.current?.groups.keys() ?? [])], ["f", "g", "h"]);
  });

  it("sees a node that has registered afresh as another incarnation", async () => {
    const members = await Members.start();
    const { source } = watch(members);
    const node = members.node("g", "a:1");
    for (let life = 0; life < 3; life++) {
      await members.idle();
      const [view] = source.current?.groups.get("g")?.nodes ?? [];
      assert.deepEqual(view, {
        number: 1,
        incarnation: node.registration.current?.incarnation,
        address: "a:1",
      });
      members.expire(node);
    }
  });

  it("keeps the last topology while disconnected, marked with since when, and then sees what it missed", async () => {
    const members = await Members.start();
    const { source, seen, sessions } = watch(members);
    members.node("g", "a:1");
    await members.idle();
    const session = sessions.current;
    assert.ok(session);
    const before = source.current;
    members.service.disconnect(session);
    assert.deepEqual(source.current, { ...before, staleSinceMs: members.clock.monotonicMs() });
    await members.observer.create("/ring", formatRingState(ring), "persistent");
    await members.observer.create("/data/g/state", formatGroupState(state), "persistent");
    assert.equal(source.current?.ring, undefined);
    const count = seen.length;
    members.service.reconnect(session);
    await members.idle();
    assert.deepEqual(plain(source.current), {
      stale: false,
      routers: {},
      groups: { g: { nodes: { 1: "a:1" }, epoch: 1 } },
      ring: 1,
    });
    // Nothing half-read was shown in between.
    for (const topology of seen.slice(count)) assert.deepEqual(plain(topology), plain(source.current));
  });

  it("starts over with a new session, showing nothing half-read", async () => {
    const members = await Members.start();
    const { source, seen, sessions } = watch(members);
    members.node("g", "a:1");
    await members.idle();
    const before = plain(source.current);
    const count = seen.length;
    assert.ok(sessions.current);
    members.service.expire(sessions.current);
    await members.idle();
    await members.remove("/data/g/top");
    members.router("r:1");
    await members.idle();
    const after = seen.slice(count).map(plain);
    assert.deepEqual(after[0], { ...before, stale: true });
    assert.deepEqual(after[1], before);
    assert.deepEqual(after.at(-1), { ...before, routers: { 0: "r:1" } });
  });

  it("lets callers wait for what they need", async () => {
    const members = await Members.start();
    const { source } = watch(members);
    const { signal } = new AbortController();
    const found = source.waitUntil(({ routers }) => routers.length === 2, signal);
    members.router("r:1");
    members.router("r:2");
    assert.equal((await found).routers.length, 2);
    assert.equal(await source.waitUntil(({ routers }) => routers.length > 0, signal), source.current);
    const controller = new AbortController();
    const inVain = source.waitUntil(() => false, controller.signal);
    controller.abort(new Error("enough"));
    await assert.rejects(inVain, /enough/);
    await assert.rejects(
      source.waitUntil(() => true, controller.signal),
      /enough/,
    );
  });

  it("tells once of each znode that is not of ours, and sees the rest", async () => {
    const members = await Members.start();
    const { observer } = members;
    members.node("g", "a:1");
    members.node("h", "b:1");
    members.router("r:1");
    await members.idle();
    await observer.create("/data/g/state", encodeText("{}"), "persistent");
    await observer.create("/data/h/state", formatGroupState(state), "persistent");
    await observer.create("/data/h/7", encodeText("c:1"), "persistent");
    // No link could lead there, or it would lead each node to itself.
    await observer.create("/data/h/8", encodeText("data.1:2001"), "ephemeral");
    await observer.create("/data/h/9", encodeText("0.0.0.0:2001"), "ephemeral");
    await observer.create("/data/not a group", noData, "persistent");
    await observer.create("/server/note", noData, "persistent");
    await observer.create("/server/5", encodeText("nowhere"), "ephemeral");
    await observer.create("/ring", noData, "persistent");
    const { source, diagnostics } = watch(members);
    await members.idle();
    assert.deepEqual(plain(source.current), {
      stale: false,
      routers: { 0: "r:1" },
      groups: { g: { nodes: { 1: "a:1" }, epoch: undefined }, h: { nodes: { 1: "b:1" }, epoch: 1 } },
      ring: undefined,
    });
    await members.overwrite("/data/g/state", "{}");
    members.node("g", "d:1", 2);
    await members.idle();
    assert.deepEqual(diagnostics.map((message) => message.split(" ")[0]).sort(), [
      "/data/g/state",
      "/data/h/7",
      "/data/h/8",
      "/data/h/9",
      "/ring",
      "/server/5",
    ]);
    await members.overwrite("/data/g/state", new TextDecoder().decode(formatGroupState(state)));
    await members.overwrite("/server/5", "s:1");
    await members.overwrite("/ring", new TextDecoder().decode(formatRingState(ring)));
    await members.idle();
    assert.deepEqual(plain(source.current), {
      stale: false,
      routers: { 0: "r:1", 5: "s:1" },
      groups: { g: { nodes: { 1: "a:1", 2: "d:1" }, epoch: 1 }, h: { nodes: { 1: "b:1" }, epoch: 1 } },
      ring: 1,
    });
    assert.equal(diagnostics.length, 6);
  });

  it("is stale for good once its sessions have stopped", async () => {
    const members = await Members.start();
    const { source, sessions } = watch(members);
    await members.idle();
    await sessions.stop();
    assert.equal(source.current?.staleSinceMs, members.clock.monotonicMs());
  });
});
