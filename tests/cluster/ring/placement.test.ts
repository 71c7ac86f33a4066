import assert from "node:assert/strict";
import { test } from "node:test";
import type { RingState, Topology } from "../../../src/cluster/metadata/model.ts";
import { placementOf, placeOfGroup, waitingReason } from "../../../src/cluster/ring/placement.ts";
import { aborted, moved, paced, requested } from "../../../src/cluster/ring/ring-change.ts";

const written: RingState = { version: 7, virtualNodes: 16, groups: ["a", "b"], written: true };

function reasonOf(ring: RingState | undefined, group: string): string | undefined {
  const topology: Topology = {
    cluster: undefined,
    ring: ring && { value: ring, version: 0 },
    groups: new Map(),
    routers: [],
    staleSinceMs: undefined,
  };
  return waitingReason(topology, group);
}

test("the reason why a group is outside the ring is true at each step of its way in", () => {
  assert.equal(reasonOf(undefined, "c"), "the ring has still to be made, by the master");
  assert.match(
    reasonOf(written, "c") ?? "",
    /^the master lets it in when it has a primary and holds no keys/,
  );
  let ring = requested(written, { kind: "add", group: "c" });
  ring = requested(ring, { kind: "add", group: "d" });
  assert.equal(reasonOf(ring, "a"), undefined);
  assert.equal(reasonOf(ring, "c"), "it enters the ring with change 8: keys of a, b move to it");
  assert.equal(reasonOf(ring, "d"), "it enters the ring after change 8, which is under way");
  const paused = paced(ring, { paused: true });
  assert.equal(
    reasonOf(paused, "c"),
    "it enters the ring with change 8, which is paused: keys of a, b move to it",
  );
  ring = moved(ring, { from: "a", to: "c" }, 8);
  assert.equal(reasonOf(ring, "c"), "it enters the ring with change 8: keys of b move to it");
  ring = moved(ring, { from: "b", to: "c" }, 8);
  assert.equal(reasonOf(ring, "c"), undefined);
  assert.match(reasonOf(ring, "d") ?? "", /^it enters the ring with change 11: keys of a, b, c move to it$/);
});

test("a group that an operator has taken out or kept out is shown so, with the command that lets it in", () => {
  const leaving = requested(written, { kind: "drain", group: "b" });
  assert.equal(placeOfGroup(leaving, "b"), "leaving");
  assert.equal(reasonOf(leaving, "b"), undefined);
  const [move = assert.fail()] = placementOf(leaving).moves();
  const out = moved(leaving, move, 8);
  assert.match(reasonOf(out, "b") ?? "", /^an operator has taken it out or kept it out; "kvlab ring add b"/);
  const back = aborted(requested(written, { kind: "add", group: "c" }));
  assert.match(reasonOf(back, "c") ?? "", /^an operator .*"kvlab ring add c"/);
});

test("a group that comes back because its leaving was aborted enters with the rest of that", () => {
  let ring = requested({ ...written, groups: ["a", "b", "c"] }, { kind: "drain", group: "c" });
  ring = moved(ring, { from: "c", to: "a" }, 8);
  const back = aborted(ring);
  assert.equal(placeOfGroup(back, "c"), "entering");
  assert.equal(reasonOf(back, "c"), "it enters the ring with change 10: keys of a move to it");
});
