import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Deadlines } from "../../src/common/deadlines.ts";
import { SharedDeadline } from "../../src/rpc/deadline.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

function setUp() {
  const clock = new VirtualClock();
  return { clock, deadline: new SharedDeadline(new Deadlines(clock), 100) };
}

describe("a deadline that calls share", () => {
  it("ends at its time, and says so", async () => {
    const { clock, deadline } = setUp();
    const { signal } = deadline;
    await clock.pass(99);
    assert.ok(!signal.aborted);
    await clock.pass(2);
    assert.ok(signal.aborted);
    assert.equal(ConnectError.from(signal.reason).code, Code.DeadlineExceeded);
    assert.equal(ConnectError.from(signal.reason).rawMessage, "no answer within 100 ms");
  });

  it("costs no timer while nobody waits for it", () => {
    const { clock, deadline } = setUp();
    deadline.hold();
    assert.equal(clock.timerCount, 0);
    deadline.release();
  });

  it("stays for as long as one of the calls waits", async () => {
    const { clock, deadline } = setUp();
    const { signal } = deadline;
    deadline.hold();
    deadline.hold();
    deadline.release();
    deadline.release();
    await clock.pass(1000);
    assert.ok(signal.aborted);
  });

  it("never ends once all calls have ended, and leaves no timer", async () => {
    const { clock, deadline } = setUp();
    const { signal } = deadline;
    deadline.hold();
    deadline.release();
    deadline.release();
    assert.equal(clock.timerCount, 0);
    await clock.pass(1000);
    assert.ok(!signal.aborted);
  });
});
