// runtimes: bun
import { after, test } from "node:test";
import { KilledMoves, loneVictims, steps } from "./kill-at-steps.ts";

// What becomes of a move when a process is killed in the middle of it: it ends, and nothing is lost or doubled. One test
// continues where the one before has ended.

const timeout = 120_000;
// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const moves = await KilledMoves.start();
after(() => moves.close());

for (const step of steps) {
  test(`kill -9 at ${step}, of each process that takes part: the move ends, and every key is in one group`, {
    timeout,
  }, async () => {
    for (const victim of loneVictims) await moves.kill(victim, step);
  });
}

test("kill -9 of all data nodes at once, before and after the keys are given up: the move ends when they are back", {
  timeout,
}, async () => {
  for (const step of ["release", "done"] as const) await moves.kill("all data nodes", step);
});

test("a primary that freezes before or after the keys are given up, and wakes up when the move is over, changes nothing", {
  timeout,
}, async () => {
  for (const step of ["release", "done"] as const) await moves.freeze(step);
});

test("every write was carried out once, and every watch was told each of them once", {
  timeout,
}, async () => {
  await moves.check();
});
