import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KvError } from "kvlab";
import { Deadline, signalOf } from "../../src/client/deadline.ts";
import { Deadlines } from "../../src/common/deadlines.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

function setUp(limitMs: number, signal?: AbortSignal) {
  const clock = new VirtualClock();
  const deadline = new Deadline(new Deadlines(clock), limitMs, signal);
  const told: string[] = [];
  const listen = (name: string) => deadline.onEnd(({ code }) => void told.push(`${name}: ${code}`));
  return { clock, deadline, told, listen };
}

describe("the deadline of a call", () => {
  it("tells all who wait, once", async () => {
    const { clock, deadline, told, listen } = setUp(100);
    listen("first");
    listen("second");
    await clock.pass(99);
    assert.deepEqual(told, []);
    await clock.pass(2);
    assert.deepEqual(told, ["first: deadline", "second: deadline"]);
    deadline.end(new KvError("closed", "the client is closed"));
    listen("late");
    assert.deepEqual(told, ["first: deadline", "second: deadline", "late: deadline"]);
  });

  it("tells nobody who has left", async () => {
    const { clock, told, listen } = setUp(100);
    const leave = listen("left");
    listen("stayed");
    leave();
    await clock.pass(101);
    assert.deepEqual(told, ["stayed: deadline"]);
  });

  it("has one listener for all who ask for a signal", async () => {
    const { clock, deadline } = setUp(100);
    let listeners = 0;
    const { onEnd } = deadline;
    deadline.onEnd = (listener) => {
      listeners++;
      return onEnd.call(deadline, listener);
    };
    const asked = Array.from({ length: 100 }, () => signalOf(deadline));
    assert.equal(listeners, 1);
    await clock.pass(101);
    assert.ok(asked.every(({ aborted }) => aborted));
  });

  it("never ends once it is released, and leaves no timer", async () => {
    const { clock, deadline, told, listen } = setUp(100);
    listen("waiting");
    deadline.release();
    assert.equal(clock.timerCount, 0);
    await clock.pass(1000);
    assert.deepEqual(told, []);
  });

  it("ends early when its caller cancels the call", () => {
    const controller = new AbortController();
    const { told, listen } = setUp(Number.POSITIVE_INFINITY, controller.signal);
    listen("waiting");
    controller.abort();
    assert.deepEqual(told, ["waiting: aborted"]);
  });
});
