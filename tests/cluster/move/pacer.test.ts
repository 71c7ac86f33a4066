import assert from "node:assert/strict";
import { test } from "node:test";
import { Pacer } from "../../../src/cluster/move/pacer.ts";
import { sleep } from "../../../src/common/clock.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** Steps of work that take as long as a test says, beside calls that it makes. */
class Work {
  readonly clock = new VirtualClock();
  readonly aborter = new AbortController();
  readonly #pacer: Pacer;
  callCount = 0;

  constructor() {
    const { clock, aborter } = this;
    this.#pacer = new Pacer({ clock, callCount: () => this.callCount, signal: aborter.signal });
  }

  /** Resolves with how long the work rested before the step. */
  async step(stepMs: number, calls = 0): Promise<number> {
    const askedMs = this.clock.monotonicMs();
    return await this.#pacer.run(async () => {
      const restedMs = this.clock.monotonicMs() - askedMs;
      this.callCount += calls;
      await sleep(this.clock, stepMs);
      return restedMs;
    });
  }

  async settled(stepMs: number, calls = 0): Promise<number> {
    return await this.clock.settled(this.step(stepMs, calls));
  }
}

test("without calls the work does not rest", async () => {
  const work = new Work();
  for (let step = 0; step < 5; step++) assert.equal(await work.settled(10), 0);
});

test("beside calls the work takes a quarter of the time, and all of it again when there are none any more", async () => {
  const work = new Work();
  assert.equal(await work.settled(10, 1), 0);
  assert.equal(await work.settled(20, 3), 30);
  assert.equal(await work.settled(10), 60);
  assert.equal(await work.settled(10), 0);
});

test("a call that comes between two steps counts", async () => {
  const work = new Work();
  await work.settled(10);
  work.callCount++;
  assert.equal(await work.settled(10), 30);
});

test("time that has passed since a step counts as rest", async () => {
  const work = new Work();
  await work.settled(10, 1);
  await work.clock.pass(20);
  assert.equal(await work.settled(10, 1), 10);
  await work.clock.pass(1000);
  assert.equal(await work.settled(10), 0);
});

test("however long steps take beside calls, no rest is longer than 100 ms", async () => {
  const work = new Work();
  await work.settled(2000, 1);
  assert.equal(await work.settled(2000, 1), 100);
});

test("a step that fails counts, too", async () => {
  const work = new Work();
  const failing = new Pacer({
    clock: work.clock,
    callCount: () => work.callCount++,
    signal: work.aborter.signal,
  });
  const failed = failing.run(async () => {
    await sleep(work.clock, 10);
    throw new Error("no");
  });
  await assert.rejects(work.clock.settled(failed), /no/);
  const beganMs = work.clock.monotonicMs();
  const restedMs = await work.clock.settled(failing.run(async () => work.clock.monotonicMs() - beganMs));
  assert.equal(restedMs, 30);
});

test("a rest ends when the work is called off, and the step is not begun", async () => {
  const work = new Work();
  await work.settled(10, 1);
  const resting = work.step(10);
  work.aborter.abort(new Error("the primary has ended"));
  await assert.rejects(work.clock.settled(resting), /the primary has ended/);
});
