// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SimProcess } from "../world/process.ts";
import { Scheduler } from "../world/scheduler.ts";
import { Trace } from "../world/trace.ts";
import { isOverdue, problemWithTime } from "./expiry-check.ts";

describe("the checks of when keys expire", () => {
  /** A call during which 10 ms pass, and in its middle the clock jumps. */
  function wallsAround(jumpMs: number): { beforeMs: number; wallsMs: readonly number[] } {
    const trace = new Trace(false);
    const process = new SimProcess("n", 1, 1, new Scheduler(1, trace), trace);
    const beforeMs = process.clock.wallMs();
    const walls = process.watchWall();
    process.jumpWall(jumpMs);
    return { beforeMs, wallsMs: [...walls().slice(0, -1), beforeMs + jumpMs + 10] };
  }

  it("take any time that the clock has shown during the call", () => {
    const { beforeMs, wallsMs } = wallsAround(-1000);
    for (const takenMs of [beforeMs, beforeMs - 1000]) {
      assert.equal(problemWithTime(takenMs + 50, { ttlMs: 50 }, wallsMs), undefined);
    }
    assert.equal(isOverdue({ expiresMs: beforeMs - 999 }, wallsMs), false);
  });

  it("find what is before and after all of them", () => {
    const { beforeMs, wallsMs } = wallsAround(1000);
    assert.match(problemWithTime(beforeMs + 49, { ttlMs: 50 }, wallsMs) ?? "", /too soon/);
    assert.match(problemWithTime(beforeMs + 1062, { ttlMs: 50 }, wallsMs) ?? "", /too late/);
    assert.equal(isOverdue({ expiresMs: beforeMs }, wallsMs), true);
  });
});
