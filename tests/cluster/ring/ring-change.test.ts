import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatRingState, parseRingState } from "../../../src/cluster/metadata/codec.ts";
import type { RingRequest, RingState } from "../../../src/cluster/metadata/model.ts";
import { OperationError, type OperationErrorCode } from "../../../src/cluster/metadata/operation-error.ts";
import { virtualNodesMax } from "../../../src/cluster/ring/hash-ring.ts";
import { placementOf, placeOfGroup } from "../../../src/cluster/ring/placement.ts";
import {
  aborted,
  lastEpochOf,
  moved,
  paced,
  queuedRequestsMax,
  removed,
  removedGroupsMax,
  requested,
  withdrawn,
} from "../../../src/cluster/ring/ring-change.ts";

const keys = Array.from({ length: 100 }, (_, index) => `key ${index}`);
const written: RingState = { version: 7, virtualNodes: 2, groups: ["a", "b"], written: true };
const addC: RingRequest = { kind: "add", group: "c" };
const drainB: RingRequest = { kind: "drain", group: "b" };

/** Ends the first move of the change under way. */
function movedOne(ring: RingState): RingState {
  const [move = assert.fail("no moves are left")] = placementOf(ring).moves();
  return moved(ring, move, ring.change?.id ?? assert.fail());
}

/** Ends moves until nothing changes any more. */
function settled(ring: RingState): RingState {
  let next = ring;
  while (next.change !== undefined) next = movedOne(next);
  return next;
}

function owners(ring: RingState): (string | undefined)[] {
  return keys.map((key) => placementOf(ring).owner(key));
}

function refuses(code: OperationErrorCode, pattern: RegExp, call: () => unknown): void {
  assert.throws(call, (error: unknown) => {
    assert.ok(error instanceof OperationError);
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  });
}

describe("a ring change", () => {
  it("of a new group begins with every key where it is, and ends with the group in the ring", () => {
    const begun = requested(written, { ...addC, rate: 500 });
    assert.deepEqual(begun, {
      ...written,
      version: 8,
      change: { id: 8, virtualNodes: 2, groups: ["a", "b", "c"], done: [], paused: false, rate: 500 },
    });
    assert.deepEqual(owners(begun), owners(written));
    for (const { to } of placementOf(begun).moves()) assert.equal(to, "c");
    const { version, ...ended } = settled(begun);
    assert.deepEqual(ended, { virtualNodes: 2, groups: ["a", "b", "c"], written: true });
    assert.equal(version, 8 + placementOf(begun).moves().length);
  });

  it("drains a group, which then stays outside until it is asked for", () => {
    const begun = requested(written, drainB);
    assert.equal(placeOfGroup(begun, "b"), "leaving");
    for (const { from } of placementOf(begun).moves()) assert.equal(from, "b");
    const drained = settled(begun);
    assert.deepEqual(drained.groups, ["a"]);
    assert.deepEqual(drained.outside, ["b"]);
    assert.equal(placeOfGroup(drained, "b"), "kept-outside");
    const again = requested(drained, { kind: "add", group: "b" });
    assert.equal(again.outside, undefined);
    assert.equal(placeOfGroup(again, "b"), "entering");
    assert.deepEqual(settled(again).groups, ["a", "b"]);
  });

  it("of the virtual nodes keeps the groups", () => {
    const ended = settled(requested(written, { kind: "virtual-nodes", virtualNodes: 128 }));
    assert.deepEqual({ ...ended, version: 0 }, { ...written, version: 0, virtualNodes: 128 });
  });

  it("is made at once, without moves, while nothing is written", () => {
    const fresh: RingState = { ...written, written: false };
    assert.deepEqual(requested(fresh, addC), { ...fresh, version: 8, groups: ["a", "b", "c"] });
    assert.deepEqual(requested(fresh, drainB), { ...fresh, version: 8, groups: ["a"], outside: ["b"] });
  });

  it("that moves nothing ends at once", () => {
    // No group has more virtual nodes than points that differ, so a lone group always has everything.
    const lone: RingState = { ...written, groups: ["a"] };
    const ended = requested(lone, { kind: "virtual-nodes", virtualNodes: 5 });
    assert.deepEqual(ended, { ...lone, version: 8, virtualNodes: 5 });
  });

  it("queues what is asked for meanwhile, with its rate, and begins it in its order", () => {
    let ring = requested(written, addC);
    ring = requested(ring, { kind: "virtual-nodes", virtualNodes: 4, rate: 9 });
    ring = requested(ring, { kind: "drain", group: "a" });
    assert.equal(ring.version, 10);
    assert.equal(ring.change?.id, 8);
    assert.equal(ring.queue?.length, 2);
    while (ring.change?.id === 8) ring = movedOne(ring);
    assert.deepEqual(ring.groups, ["a", "b", "c"]);
    assert.equal(ring.change?.virtualNodes, 4);
    assert.equal(ring.change?.rate, 9);
    assert.equal(ring.change?.id, ring.version);
    const { version: _, ...ended } = settled(ring);
    assert.deepEqual(ended, { virtualNodes: 4, groups: ["b", "c"], written: true, outside: ["a"] });
  });

  it("takes a group that waits to enter out of the queue, when it is to be drained", () => {
    const ring = requested(requested(written, drainB), addC);
    assert.equal(placeOfGroup(ring, "c"), "queued");
    const withdrawn = requested(ring, { kind: "drain", group: "c" });
    assert.equal(withdrawn.queue, undefined);
    assert.equal(placeOfGroup(withdrawn, "c"), "kept-outside");
    assert.deepEqual(withdrawn.change, ring.change);
  });

  it("pauses and resumes, and keeps its rate until it is given another one; 0 is none", () => {
    const ring = requested(written, { ...addC, rate: 5 });
    const paused = paced(ring, { paused: true });
    assert.deepEqual(paused.change, { ...ring.change, paused: true });
    assert.equal(paused.version, ring.version + 1);
    assert.equal(paced(paused, { paused: false, rate: 7 }).change?.rate, 7);
    assert.equal(paced(paused, { paused: false, rate: 0 }).change?.rate, undefined);
    assert.equal(paced(paused, { paused: false, rate: 0 }).change?.paused, false);
  });

  it("is paused, resumed and aborted only if it is the one that is meant: a second abort would go forward again", () => {
    const ring = requested(written, { kind: "virtual-nodes", virtualNodes: 6 });
    const id = ring.change?.id ?? 0;
    assert.deepEqual(aborted(ring, id), aborted(ring));
    assert.deepEqual(paced(ring, { paused: true }, id), paced(ring, { paused: true }));
    const back = aborted(movedOne(ring), id);
    assert.notEqual(back.change?.id, id);
    const other = new RegExp(`ring change ${id} is not under way .*: ring change ${back.change?.id} is`);
    refuses("refused", other, () => aborted(back, id));
    refuses("refused", other, () => paced(back, { paused: true }, id));
  });

  it("aborted before a move has ended is over at once; the new group stays outside, and what waits begins", () => {
    const ring = requested(requested(written, addC), { kind: "virtual-nodes", virtualNodes: 6 });
    const back = aborted(ring);
    assert.deepEqual(back.groups, ["a", "b"]);
    assert.equal(back.change?.virtualNodes, 6);
    assert.deepEqual(back.change?.groups, ["a", "b"]);
    assert.deepEqual(back.outside, ["c"]);
  });

  it("aborted drops a request behind it that has become pointless", () => {
    const ring = requested(written, addC);
    const waiting = { ...ring, queue: [{ kind: "drain", group: "c" } as const] };
    const back = aborted(waiting);
    assert.equal(back.change, undefined);
    assert.equal(back.queue, undefined);
  });

  it("does not take the end of a move of another change for one of its own", () => {
    // a gives to b and b to a, so the way back has the same moves with other keys.
    const first = requested(written, { kind: "virtual-nodes", virtualNodes: 6 });
    assert.deepEqual(
      placementOf(first)
        .moves()
        .map(({ from, to }) => [from, to]),
      [
        ["a", "b"],
        ["b", "a"],
      ],
    );
    const back = aborted(movedOne(first));
    assert.equal(placementOf(back).moves().length, 1);
    const late = { from: "b", to: "a" };
    refuses("refused", /no keys are to move from "b" to "a" in ring change 8/, () => moved(back, late, 8));
    assert.equal(moved(back, late, back.change?.id ?? 0).change, undefined);
  });

  it("refuses what cannot be, by name", () => {
    const changing = requested(written, addC);
    refuses("refused", /group "a" is in the ring/, () => requested(written, { kind: "add", group: "a" }));
    refuses("refused", /group "c" is in the ring, or enters/, () => requested(changing, addC));
    refuses("refused", /group "x" is not in the ring/, () =>
      requested(written, { kind: "drain", group: "x" }),
    );
    refuses("refused", /group "a" is the only one/, () =>
      requested(settled(requested(written, drainB)), { kind: "drain", group: "a" }),
    );
    refuses("refused", /the ring has 2 virtual nodes/, () =>
      requested(written, { kind: "virtual-nodes", virtualNodes: 2 }),
    );
    refuses("refused", /no ring change is under way/, () => aborted(written));
    refuses("refused", /no ring change is under way/, () => paced(written, { paused: true }));
    refuses("refused", /no keys are to move from "a" to "b"/, () =>
      moved(changing, { from: "a", to: "b" }, 8),
    );
    refuses("refused", /no keys are to move/, () => moved(written, { from: "a", to: "b" }, 8));
    for (const virtualNodes of [-1, 1.5, virtualNodesMax + 1]) {
      refuses("invalid", new RegExp(`virtual nodes ${virtualNodes}; allowed`), () =>
        requested(written, { kind: "virtual-nodes", virtualNodes }),
      );
    }
    for (const group of ["", "lock", "a b"]) {
      refuses("invalid", /^group ".*"; allowed/, () => requested(written, { kind: "add", group }));
    }
    for (const rate of [0, -1, 0.5]) {
      refuses("invalid", new RegExp(`rate ${rate}; allowed`), () => requested(written, { ...addC, rate }));
    }
    refuses("invalid", /rate -1; allowed/, () => paced(changing, { paused: false, rate: -1 }));
  });

  it("lets a few requests wait, and no more", () => {
    let ring = requested(written, addC);
    for (let index = 0; index < queuedRequestsMax; index++) {
      ring = requested(ring, { kind: "add", group: `d${index}` });
    }
    refuses("refused", /16 ring changes wait already/, () => requested(ring, { kind: "add", group: "e" }));
    assert.equal(settled(ring).groups.length, 3 + queuedRequestsMax);
  });

  it("drops one of the requests that wait, or all; a group that was to enter stays outside", () => {
    const changing = requested(written, addC);
    const waiting: RingRequest[] = [
      { kind: "add", group: "d", rate: 5 },
      { kind: "virtual-nodes", virtualNodes: 8 },
      { kind: "drain", group: "a" },
    ];
    const ring = waiting.reduce(requested, changing);
    const one = withdrawn(ring, { kind: "add", group: "d" });
    assert.deepEqual([one.queue, one.outside], [waiting.slice(1), ["d"]]);
    assert.deepEqual([one.change, one.version], [ring.change, ring.version + 1]);
    const all = withdrawn(one);
    assert.deepEqual([all.queue, all.outside, all.change], [undefined, ["d"], ring.change]);
    refuses("refused", /^no such ring change waits$/, () => withdrawn(ring, { kind: "drain", group: "d" }));
    refuses("refused", /^no ring change waits$/, () => withdrawn(all));
    refuses("invalid", /^group "a b"; allowed: /, () => withdrawn(ring, { kind: "add", group: "a b" }));
  });

  it("drops the last of the same requests", () => {
    const nodes = [8, 16, 8].map((virtualNodes) => ({ kind: "virtual-nodes", virtualNodes }) as const);
    const ring = nodes.reduce<RingState>(requested, requested(written, addC));
    assert.deepEqual(withdrawn(ring, { kind: "virtual-nodes", virtualNodes: 8 }).queue, nodes.slice(0, 2));
  });

  it("refuses a change of more moves than /ring has room for", () => {
    const groups = Array.from({ length: 70 }, (_, index) => `${"long-name-".repeat(12)}${index}`);
    const many: RingState = { ...written, groups };
    refuses(
      "refused",
      /^\d+ moves between 70 groups take \d+ bytes in \/ring; at most 900000 are allowed$/,
      () => requested(many, { kind: "virtual-nodes", virtualNodes: 300 }),
    );
    assert.equal(requested(many, { kind: "add", group: "c" }).change?.groups.length, 71);
  });

  it("forgets that a removed group was outside", () => {
    const drained = settled(requested(written, drainB));
    const { outside, version } = removed(drained, "b", { firstEpoch: 0, lastEpoch: 3 });
    assert.equal(outside, undefined);
    assert.equal(version, drained.version + 1);
  });

  it("remembers which epochs a removed group had, so that a later one of its name has higher ones", () => {
    const drained = settled(requested(written, drainB));
    const ring = removed(drained, "b", { firstEpoch: 2, lastEpoch: 3 });
    const { version: ringVersion } = ring;
    assert.deepEqual(ring.removed, [{ group: "b", ringVersion, firstEpoch: 2, lastEpoch: 3 }]);
    assert.deepEqual(
      [lastEpochOf(ring, "b"), lastEpochOf(ring, "a"), lastEpochOf(undefined, "b")],
      [3, 0, 0],
    );
    // What is known of the first one must not be taken for a place in the history of the second.
    const again = removed({ ...ring, outside: ["b"] }, "b", { firstEpoch: 0, lastEpoch: 9 });
    assert.deepEqual(again.removed, [
      { group: "b", ringVersion: ringVersion + 1, firstEpoch: 4, lastEpoch: 9 },
    ]);
  });

  it("remembers the last 100 groups that were removed", () => {
    const names = Array.from({ length: removedGroupsMax + 1 }, (_, index) => `g${index}`);
    let ring = written;
    for (const name of names) ring = removed(ring, name, { firstEpoch: 0, lastEpoch: 1 });
    assert.deepEqual(
      ring.removed?.map(({ group }) => group),
      names.slice(1),
    );
  });
});

const group = fc.constantFrom("a", "b", "c", "d");
/** As the parser makes objects. */
const plain = { noNullPrototype: true };
const request = fc.oneof(
  fc.record({ kind: fc.constantFrom("add" as const, "drain" as const), group }, plain),
  fc.record(
    { kind: fc.constant("virtual-nodes" as const), virtualNodes: fc.integer({ min: 0, max: 9 }) },
    plain,
  ),
);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.nat().map((index) => ({ do: "move", index }) as const) },
  { weight: 1, arbitrary: fc.constant({ do: "abort" } as const) },
  {
    weight: 2,
    arbitrary: request.map((request) => ({ do: "request", request }) as const),
  },
);

describe("any ring changes", () => {
  it("leave each key with one owner, which only the end of its move changes; versions rise; /ring can hold each state", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let ring = written;
        for (const each of steps) {
          let next: RingState;
          const moves = placementOf(ring).moves();
          const move = each.do === "move" ? moves[each.index % Math.max(1, moves.length)] : undefined;
          try {
            if (each.do === "request") next = requested(ring, each.request);
            else if (each.do === "abort") next = aborted(ring);
            else next = moved(ring, move ?? { from: "a", to: "b" }, ring.change?.id ?? 0);
          } catch (error) {
            assert.ok(error instanceof OperationError && error.code === "refused");
            continue;
          }
          assert.equal(next.version, ring.version + 1);
          assert.deepEqual(parseRingState("/ring", formatRingState(next)), next);
          for (const key of keys) {
            const before = placementOf(ring);
            const taken = before.moveOf(key);
            const isMoved = move !== undefined && taken?.from === move.from && taken.to === move.to;
            assert.equal(placementOf(next).owner(key), isMoved ? move.to : before.owner(key));
          }
          for (const name of next.outside ?? []) assert.ok(!(next.change ?? next).groups.includes(name));
          ring = next;
        }
      }),
    );
  });

  it("lead back to the first ring when they are aborted, at any step, and forward again when that is aborted", () => {
    const shape = fc.record(
      {
        groups: fc.subarray(["a", "b", "c", "d"], { minLength: 1 }),
        virtualNodes: fc.integer({ min: 0, max: 9 }),
      },
      plain,
    );
    fc.assert(
      fc.property(shape, request, fc.nat({ max: 12 }), (shape, request, steps) => {
        const first: RingState = { version: 1, ...shape, written: true };
        let ring = begunOr(first, request);
        for (let index = 0; index < steps && ring.change; index++) ring = movedOne(ring);
        if (ring.change === undefined) return;
        const before = owners(ring);
        const back = aborted(ring);
        assert.deepEqual(owners(back), before);
        const { virtualNodes, groups } = settled(back);
        assert.deepEqual({ virtualNodes, groups }, shape);
        assert.deepEqual(owners(settled(back)), owners(first));
        if (back.change === undefined) return;
        const forward = aborted(back);
        assert.deepEqual(owners(forward), before);
        assert.deepEqual(owners(settled(forward)), owners(settled(ring)));
      }),
    );
  });
});

/** The ring with the request begun, or as it was when the request is refused. */
function begunOr(ring: RingState, request: RingRequest): RingState {
  try {
    return requested(ring, request);
  } catch {
    return ring;
  }
}
