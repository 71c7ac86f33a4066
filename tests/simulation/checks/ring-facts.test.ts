// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RingState } from "../../../src/cluster/metadata/model.ts";
import { placementOf } from "../../../src/cluster/ring/placement.ts";
import { moved, requested } from "../../../src/cluster/ring/ring-change.ts";
import type { Change, LogRecord, MoveMark } from "../../../src/cluster/storage/model.ts";
import { put } from "./by-hand.ts";
import { RingFacts } from "./ring-facts.ts";

const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
const first: RingState = { version: 1, virtualNodes: 8, groups: ["g"], written: true };
const adding = requested(first, { kind: "add", group: "h" });
const move = { from: "g", to: "h" };
const done = moved(adding, move, 2);
const key = keys.find((each) => placementOf(adding).moveOf(each) !== undefined) ?? "";

/** A cluster in which `key` is to move from g, which has it, to h. */
class Moving {
  readonly facts = new RingFacts(keys);
  readonly #seqs = new Map<string, number>();

  constructor() {
    for (const ring of [first, adding]) this.facts.changed(ring, () => undefined);
    assert.equal(this.commit("g", { changes: [put(key, "a")], requestId: "r" }), undefined);
  }

  commit(group: string, record: Partial<LogRecord>, revision?: number): string | undefined {
    const seq = (this.#seqs.get(group) ?? 0) + 1;
    this.#seqs.set(group, seq);
    return this.facts.committed(group, { epoch: 1, seq, changes: [], ...record }, revision ?? seq);
  }

  copy(changes: readonly Change[], revision = 1): string | undefined {
    return this.commit("h", { changes, requestId: "r", move: { kind: "copy", revision } }, revision);
  }

  mark(group: string, mark: MoveMark): string | undefined {
    return this.commit(group, { move: mark });
  }

  accept(): string | undefined {
    return this.mark("h", { kind: "accept", change: 2, from: "g", revision: 1, ahead: 1, requestsAfter: 0 });
  }

  release(): string | undefined {
    return this.mark("g", { kind: "release", change: 2, to: "h" });
  }

  end(ring = done): string | undefined {
    return this.facts.changed(ring, () => undefined);
  }
}

describe("the check of keys that move", () => {
  it("takes a move that copies, accepts and releases, before the ring has it", () => {
    const moving = new Moving();
    assert.deepEqual(
      [moving.copy([put(key, "a")]), moving.accept(), moving.release(), moving.end()],
      [undefined, undefined, undefined, undefined],
    );
    assert.equal(moving.facts.reading("h", key), undefined);
    assert.match(moving.facts.reading("g", key) ?? "", /gives to group h/);
  });

  it("finds a move that ends without a release, an accept, or a key", () => {
    const [noRelease, noAccept, noKey] = [new Moving(), new Moving(), new Moving()];
    noRelease.accept();
    assert.match(noRelease.end() ?? "", /g has not released/);
    noAccept.release();
    assert.match(noAccept.end() ?? "", /h has not accepted/);
    noKey.accept();
    noKey.release();
    assert.match(noKey.end() ?? "", /the destination has .* of revision 0/);
  });

  it("finds a copy of what is not committed, with another value, or without its time to live", () => {
    assert.match(new Moving().copy([put(key, "a")], 2) ?? "", /not committed anywhere/);
    assert.match(new Moving().copy([put(key, "b")]) ?? "", /as another/);
    assert.match(new Moving().copy([{ ...put(key, "a"), expiresMs: 1 }]) ?? "", /as another/);
  });

  it("finds a source that gives away what is not committed", () => {
    const copy = (revision: number): LogRecord => {
      return { epoch: 1, seq: 1, changes: [put(key, "a")], move: { kind: "copy", revision } };
    };
    const { facts } = new Moving();
    assert.equal(facts.giving("h", [copy(1)]), undefined);
    assert.match(
      facts.giving("h", [copy(1), copy(2)]) ?? "",
      /of revision 2, which is not committed anywhere/,
    );
  });

  it("finds who writes a key of another group, or forgets its own", () => {
    const moving = new Moving();
    assert.match(moving.commit("h", { changes: [put(key, "b")] }, 9) ?? "", /the ring gives the key to g/);
    const forgotten = { changes: [put(key, "b")], move: { kind: "forget" } } as const;
    assert.match(moving.commit("g", forgotten) ?? "", /forgets .* the ring gives the key to g/);
  });

  it("finds revisions that fall, and a request that is carried out again by the next owner", () => {
    for (const [revision, requestId, problem] of [
      [1, undefined, /after 1/],
      [5, "r", /carried out twice/],
    ] as const) {
      const moving = new Moving();
      moving.copy([put(key, "a")]);
      moving.accept();
      moving.release();
      moving.end();
      assert.match(moving.commit("h", { changes: [put(key, "c")], requestId }, revision) ?? "", problem);
    }
  });

  it("finds revisions that a group gives twice, or that its keys may have had before they came", () => {
    const other = keys.find((each) => placementOf(adding).owner(each) === "g" && each !== key) ?? "";
    const twice = new Moving();
    assert.match(
      twice.commit("g", { changes: [put(other, "a")] }, 1) ?? "",
      /gives revision 1 .* was given before/,
    );
    const late = new Moving();
    const mine = keys.find((each) => each !== key && placementOf(done).owner(each) === "h") ?? "";
    late.copy([put(key, "a")]);
    late.mark("h", { kind: "accept", change: 2, from: "g", revision: 7, ahead: 1, requestsAfter: 0 });
    late.release();
    late.end();
    assert.match(
      late.commit("h", { changes: [put(mine, "a")] }, 7) ?? "",
      /gives revision 7 .* came with keys/,
    );
    assert.equal(late.commit("h", { changes: [put(mine, "a")] }, 8), undefined);
  });

  it("finds a ring that gives keys away by no move", () => {
    const jump = { ...first, version: 3, groups: ["h"] };
    assert.match(new Moving().end(jump) ?? "", /by no move that has ended/);
  });
});
