import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Deadlines } from "../../src/common/deadlines.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/** Notes when each of its calls was ended. */
function setUp() {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock);
  const ended: [string, number][] = [];
  const begin = (name: string, limitMs: number) => {
    const call = {
      dueMs: clock.monotonicMs() + limitMs,
      expire: () => void ended.push([name, clock.monotonicMs()]),
    };
    deadlines.add(call);
    return () => deadlines.delete(call);
  };
  return { clock, deadlines, begin, ended };
}

describe("deadlines", () => {
  it("end each call at its time, in whatever order they were set", async () => {
    const { clock, begin, ended } = setUp();
    begin("last", 1000);
    begin("first", 10);
    begin("second", 500);
    await clock.pass(9);
    assert.deepEqual(ended, []);
    await clock.pass(10_000);
    assert.deepEqual(ended, [
      ["first", 10],
      ["second", 500],
      ["last", 1000],
    ]);
  });

  it("end no call that has ended before, and leave no timer behind", async () => {
    const { clock, begin, ended } = setUp();
    const end = begin("over", 100);
    begin("late", 200);
    end();
    end();
    await clock.pass(1000);
    assert.deepEqual(ended, [["late", 200]]);
    begin("alone", 100)();
    assert.equal(clock.timerCount, 0);
  });

  it("may be a little late when many are due one after another", async () => {
    const { clock, begin, ended } = setUp();
    for (let i = 0; i < 1000; i++) begin(String(i), 100 + i * 0.01);
    await clock.pass(1000);
    assert.equal(ended.length, 1000);
    assert.ok(
      ended.every(
        ([name, atMs]) => atMs >= 100 + Number(name) * 0.01 && atMs <= 100 + Number(name) * 0.01 + 2,
      ),
    );
    // Not one timer for each.
    assert.ok(new Set(ended.map(([, atMs]) => atMs)).size <= 12);
  });

  it("end no call that has ended with another at the same time", async () => {
    const { clock, deadlines, begin, ended } = setUp();
    let endOther = () => {};
    deadlines.add({ dueMs: 10, expire: () => endOther() });
    endOther = begin("other", 10);
    await clock.pass(100);
    assert.deepEqual(ended, []);
  });

  it("set while one ends hold as well", async () => {
    const { clock, deadlines, begin, ended } = setUp();
    deadlines.add({ dueMs: 10, expire: () => void begin("set then", 10) });
    await clock.pass(100);
    assert.deepEqual(ended, [["set then", 20]]);
  });
});
