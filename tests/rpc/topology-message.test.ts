import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { viewOf } from "../../src/client/topology.ts";
import type { GroupView, RingState, Topology } from "../../src/cluster/metadata/model.ts";
import { HashRing } from "../../src/cluster/ring/hash-ring.ts";
import { placementOf } from "../../src/cluster/ring/placement.ts";
import { moved, requested } from "../../src/cluster/ring/ring-change.ts";
import { toTopologyMessage } from "../../src/rpc/topology-message.ts";

const names = ["a", "b", "c", "d", "e"];
const keys = Array.from({ length: 100 }, (_, index) => `key ${index}`);
const virtualNodes = fc.integer({ min: 0, max: 9 });

function topologyOf(ring: RingState): Topology {
  const groups = new Map<string, GroupView>(
    names.map((name) => [name, { name, state: undefined, nodes: [] }]),
  );
  return { cluster: "1", ring: { value: ring, version: 0 }, groups, routers: [], staleSinceMs: undefined };
}

/** A ring at some step of some change. */
const changing = fc
  .record({
    shape: fc.record({ groups: fc.subarray(["a", "b", "c"], { minLength: 1 }), virtualNodes }),
    request: fc.oneof(
      fc.constantFrom("d", "e").map((group) => ({ kind: "add", group }) as const),
      fc.constantFrom("a", "b").map((group) => ({ kind: "drain", group }) as const),
      virtualNodes.map((virtualNodes) => ({ kind: "virtual-nodes", virtualNodes }) as const),
    ),
    steps: fc.nat({ max: 8 }),
  })
  .map(({ shape, request, steps }) => {
    let ring: RingState = { version: 1, ...shape, written: true };
    try {
      ring = requested(ring, request);
    } catch {
      // Refused: it stays as it is.
    }
    for (let step = 0; step < steps && ring.change !== undefined; step++) {
      const [move = assert.fail()] = placementOf(ring).moves();
      ring = moved(ring, move, ring.change.id);
    }
    return ring;
  });

test("a client places every key as the servers do, at each step of a ring change", () => {
  fc.assert(
    fc.property(changing, (ring) => {
      const message = toTopologyMessage(topologyOf(ring), 0);
      const view = viewOf(message);
      for (const key of keys) assert.equal(view.ring.owner(key), placementOf(ring).owner(key));
      const expected = new Set([...ring.groups, ...(ring.change?.groups ?? [])]);
      assert.deepEqual(new Set(view.groups.keys()), expected);
      const shares = message.groups.map(({ share }) => share);
      assert.equal(
        shares.reduce((sum, share) => sum + share, 0),
        1,
      );
    }),
  );
});

test("a client of an earlier version, which knows nothing of changes, places every key by the present ring", () => {
  fc.assert(
    fc.property(changing, (ring) => {
      const { groups, virtualNodes } = toTopologyMessage(topologyOf(ring), 0);
      const inRing = groups.filter(({ waiting }) => waiting === "").map(({ name }) => name);
      const earlier = new HashRing(inRing, { virtualNodes });
      const present = new HashRing(ring.groups, { virtualNodes: ring.virtualNodes });
      for (const key of keys) assert.equal(earlier.owner(key), present.owner(key));
    }),
  );
});

test("a client keeps what it knows of a newer ring when another router is behind, and its ring while the version stays", () => {
  const first: RingState = { version: 1, virtualNodes: 2, groups: ["a", "b"], written: true };
  const begun = requested(first, { kind: "add", group: "c" });
  const [move = assert.fail()] = placementOf(begun).moves();
  const later = moved(begun, move, 2);
  const view = viewOf(toTopologyMessage(topologyOf(later), 0));
  const behind = viewOf(toTopologyMessage(topologyOf(first), 0), view);
  assert.equal(behind.ringVersion, 3n);
  assert.equal(behind.ring, view.ring);
  assert.ok(behind.groups.has("c"));
  assert.equal(viewOf(toTopologyMessage(topologyOf(later), 0), view).ring, view.ring);
});
