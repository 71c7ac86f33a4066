import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Column, SmallColumn } from "../../../../src/cluster/storage/index/column.ts";
import { InvariantError } from "../../../../src/common/invariant.ts";

const chunk = 8192;

describe("a column", () => {
  it("keeps whole numbers up to 2^53, each in its slot", () => {
    const numbers = [1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
    const column = new Column();
    for (const [index, number] of numbers.entries()) column.set(index * chunk, number);
    assert.deepEqual(
      numbers.map((_, index) => column.get(index * chunk)),
      numbers,
    );
    assert.equal(column.get(1), 0);
  });

  it("takes a small number in the place of a large one, and a large one in the place of a small one", () => {
    const column = new Column();
    for (const number of [5, 2 ** 40 + 7, 3, 0]) {
      column.set(9, number);
      assert.equal(column.get(9), number);
    }
  });

  it("is empty until it has a number above 0", () => {
    for (const column of [new Column(), new SmallColumn()]) {
      column.set(3, 0);
      assert.ok(column.isEmpty);
      column.set(3, 1);
      assert.ok(!column.isEmpty);
    }
    const large = new Column();
    large.set(3, 2 ** 32);
    assert.ok(!large.isEmpty);
  });

  it("does not change with what was copied from it", () => {
    const column = new Column();
    column.set(0, 2 ** 33);
    const copy = column.copy();
    column.set(0, 1);
    assert.equal(copy.get(0), 2 ** 33);
  });

  it("refuses a number below 0", () => {
    assert.throws(() => new Column().set(0, -1), InvariantError);
  });
});
