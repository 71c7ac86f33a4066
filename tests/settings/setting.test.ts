import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { duration } from "../../src/settings/setting.ts";

describe("a duration", () => {
  const { parse } = duration({ meaning: "How long.", placeholder: "TIME" });

  it("is a number with its unit, in milliseconds", () => {
    const given = ["500ms", "30s", "5m", "2h", "7d", "1.5h", "0.25s"];
    assert.deepEqual(given.map(parse), [500, 30_000, 300_000, 7_200_000, 604_800_000, 5_400_000, 250]);
  });

  it("is neither without a unit, nor less than a millisecond", () => {
    for (const given of ["30", "s", "", "0s", "0.1ms", "-5s", "5 s", "5sec", "1e3s", "999999999999d"]) {
      assert.equal(parse(given), undefined, given);
    }
  });
});
