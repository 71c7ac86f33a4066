import { sleep } from "../../../src/common/clock.ts";
import type { ToyPrimary } from "../../support/toy-groups.ts";
import type { ToyLog } from "../../support/toy-log.ts";
import type { VirtualClock } from "../../support/virtual-clock.ts";

/** A log whose watches say only after this time where they begin. */
export function answeringLate(log: ToyLog, clock: VirtualClock, afterMs: number): ToyPrimary {
  return {
    async *watch(request, signal) {
      for await (const answer of log.watch(request, signal)) {
        if (answer.events?.length === 0) await sleep(clock, afterMs);
        yield answer;
      }
    },
  };
}
