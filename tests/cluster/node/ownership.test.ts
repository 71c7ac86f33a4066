import assert from "node:assert/strict";
import { test } from "node:test";
import { Ownership } from "../../../src/cluster/node/ownership.ts";
import { HashRing } from "../../../src/cluster/ring/hash-ring.ts";
import type { Moves } from "../../../src/cluster/storage/model.ts";
import { ToyTopology } from "../../support/toy-topology.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const groups = ["g", "h"];
const ring = new HashRing(groups, { virtualNodes: 2 });
const keys = Array.from({ length: 100 }, (_, index) => `key-${index}`);
const own = keys.filter((key) => ring.owner(key) === "g");

/** Group g, which sees this version of a ring that does not change, with what moves have done to its log. */
function ownershipOf(version: number, moves: Moves): Ownership {
  const topology = new ToyTopology();
  const value = { version, virtualNodes: 2, groups, written: true };
  const ownership = new Ownership({
    group: "g",
    topology,
    keys: { moves, hasCopies: false },
    clock: new VirtualClock(),
    machine: () => undefined,
    sealed: () => undefined,
    freezeRing: async () => {},
    signal: new AbortController().signal,
  });
  topology.tell({
    cluster: "c1",
    ring: { version, value },
    groups: new Map(),
    routers: [],
    staleSinceMs: undefined,
  });
  return ownership;
}

test("marks of a ring change that the node has not seen yet count more than the ring that it sees", () => {
  const behind = ownershipOf(7, { change: 8, released: new Set(["h"]), accepted: new Map() });
  const unseen = {
    code: "unavailable",
    message: "this node has seen version 7 of the ring; its log has taken part in a change of version 8",
  };
  for (const use of ["read", "write"] as const) assert.throws(() => behind.check(own, use), unseen);
  assert.throws(() => behind.served(), unseen);
  assert.throws(() => behind.takesWrites(own[0] ?? ""), unseen);
  assert.equal(behind.hasLeft, false);
});

test("marks of a ring change that has ended say nothing any more", () => {
  const current = ownershipOf(9, { change: 8, released: new Set(["h"]), accepted: new Map() });
  assert.equal(current.check(own, "write"), undefined);
  assert.throws(() => current.check(keys, "write"), { code: "invalid", message: /belong to the groups/ });
  const served = current.served();
  assert.ok(!(served instanceof Promise) && served.ringVersion === 9);
  assert.deepEqual(
    keys.filter((key) => served.has(key)),
    own,
  );
});
