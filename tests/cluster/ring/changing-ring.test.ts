import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ChangingRing, type Move } from "../../../src/cluster/ring/changing-ring.ts";
import { HashRing, hashOfKey } from "../../../src/cluster/ring/hash-ring.ts";

const names = ["zdata1", "zdata2", "zdata3", "zdata4", "zdata5"];
const groups = fc.subarray(names, { minLength: 1 });
const virtualNodes = fc.integer({ min: 0, max: 20 });
const hashRing = fc
  .tuple(groups, virtualNodes)
  .map(([groups, virtualNodes]) => new HashRing(groups, { virtualNodes }));
const keys = Array.from({ length: 200 }, (_, index) => `key ${index}`);

function sum(shares: Iterable<number>): number {
  return [...shares].reduce((total, share) => total + share, 0);
}

/** The change with its moves ended one after another, in an order of the given numbers. */
function* steps(
  present: HashRing,
  next: HashRing,
  order: readonly number[],
): Generator<[ChangingRing, Move[]]> {
  const left: Move[] = [...new ChangingRing(present, next).moves()];
  const done: Move[] = [];
  yield [new ChangingRing(present, next, done), [...done]];
  for (let step = 0; left.length > 0; step++) {
    done.push(...left.splice((order[step] ?? 0) % left.length, 1));
    yield [new ChangingRing(present, next, done), [...done]];
  }
}

describe("ChangingRing", () => {
  it("is the one ring while nothing changes", () => {
    fc.assert(
      fc.property(hashRing, (ring) => {
        const changing = new ChangingRing(ring);
        assert.deepEqual(changing.moves(), []);
        for (const key of keys) {
          assert.equal(changing.owner(key), ring.owner(key));
          assert.equal(changing.moveOf(key), undefined);
        }
        const owning = [...ring.shares()].filter(([, share]) => share > 0);
        assert.deepEqual(changing.shares(), new Map(owning.sort(([a], [b]) => (a < b ? -1 : 1))));
      }),
    );
  });

  it("has one owner for each key at each step: the present one until the key's move has ended, then the next", () => {
    fc.assert(
      fc.property(hashRing, hashRing, fc.array(fc.nat(), { maxLength: 20 }), (present, next, order) => {
        for (const [ring, done] of steps(present, next, order)) {
          for (const key of keys) {
            const [from, to] = [present.owner(key), next.owner(key)];
            const isMoved = from === to || done.some((move) => move.from === from && move.to === to);
            assert.equal(ring.owner(key), isMoved ? to : from);
            assert.deepEqual(ring.moveOf(key), isMoved ? undefined : { from, to });
            const expected = { owner: isMoved ? to : from, to: isMoved ? undefined : to };
            assert.deepEqual(ring.at(hashOfKey(key)), expected);
          }
        }
      }),
    );
  });

  it("changes, with the end of a move, the owner of exactly that move's keys", () => {
    fc.assert(
      fc.property(hashRing, hashRing, fc.array(fc.nat(), { maxLength: 20 }), (present, next, order) => {
        let before: ChangingRing | undefined;
        for (const [ring, done] of steps(present, next, order)) {
          const move = done.at(-1);
          for (const key of keys) {
            const was = before?.moveOf(key);
            const isOfMove = was !== undefined && was.from === move?.from && was.to === move.to;
            if (before !== undefined) {
              assert.equal(ring.owner(key), isOfMove ? move?.to : before.owner(key));
            }
          }
          before = ring;
        }
        for (const key of keys) assert.equal(before?.owner(key), next.owner(key));
      }),
    );
  });

  it("has moves whose shares are what the groups gain and lose, and shares that sum to exactly 1 at each step", () => {
    fc.assert(
      fc.property(hashRing, hashRing, fc.array(fc.nat(), { maxLength: 20 }), (present, next, order) => {
        for (const [ring] of steps(present, next, order)) {
          const shares = ring.shares();
          assert.equal(sum(shares.values()), 1);
          const later = new Map(shares);
          for (const { from, to, share } of ring.moves()) {
            assert.ok(share > 0);
            later.set(from, (later.get(from) ?? 0) - share);
            later.set(to, (later.get(to) ?? 0) + share);
          }
          for (const name of names) assert.equal(later.get(name) ?? 0, next.shares().get(name) ?? 0);
        }
      }),
    );
  });

  it("lists its moves in the order of their names, each once, whatever the order of the groups", () => {
    const moves = new ChangingRing(
      new HashRing(["c", "a", "b"], { virtualNodes: 9 }),
      new HashRing(["b", "a", "d", "c"], { virtualNodes: 4 }),
    ).moves();
    const shown = moves.map(({ from, to }) => `${from} ${to}`);
    assert.deepEqual(shown, [...new Set(shown)].sort());
    assert.ok(shown.length > 4);
  });

  it("gives all keys to the next ring when the present one has no groups, and has none without groups", () => {
    const next = new HashRing(["a", "b"]);
    const ring = new ChangingRing(new HashRing([]), next);
    for (const key of keys) assert.equal(ring.owner(key), next.owner(key));
    assert.deepEqual(ring.moves(), []);
    const none = new ChangingRing(new HashRing([]));
    assert.equal(none.owner("a"), undefined);
    assert.equal(none.at(7), undefined);
  });
});
