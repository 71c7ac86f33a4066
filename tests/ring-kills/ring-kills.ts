import process from "node:process";
import { parseArgs } from "node:util";
import { KilledMoves, steps, victims } from "./kill-at-steps.ts";

const HELP = `Kills processes in the middle of moves of keys: each that takes part, and several at once, at each step. And freezes a
primary there until others have ended the move.

Usage: npm run ring-kills -- [--rounds N]

  --rounds N  How often each is killed at each step (default 20)

Exits with 1 when a promise was broken, and says at which move; what all servers have written is then kept.
`;

const rounds = readRounds();
for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => process.exit(1));
process.exitCode = await run();

function readRounds(): number {
  try {
    const { values } = parseArgs({
      options: { rounds: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    const { rounds = "20" } = values;
    if (!/^[1-9]\d{0,5}$/.test(rounds))
      throw new Error(`--rounds is ${rounds}; it must be a number, at least 1`);
    return Number(rounds);
  } catch (error) {
    console.error(`ring-kills: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(2);
  }
}

async function run(): Promise<number> {
  console.log(
    `${rounds} ${rounds === 1 ? "round" : "rounds"} of ${steps.length * (victims.length + 1)} moves`,
  );
  const moves = await KilledMoves.start();
  const begun = performance.now();
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const step of steps) {
        for (const victim of victims) await moves.kill(victim, step);
        await moves.freeze(step);
        console.log(`round ${round}, ${step}: ${moves.disturbances} moves after ${seconds(begun)} s`);
      }
      await moves.check();
    }
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    const { disturbances, stranded, keysChecked, load } = moves;
    console.log(`${disturbances} moves that were disturbed have ended; ${load.writeCount} writes`);
    console.log(`${stranded} of them needed a lost node, the only one of its group in sync`);
    console.log(`${keysChecked} times a key was looked for, and found where the ring says and nowhere else`);
    console.log(`longest time in which a writer had no success: ${(load.longestGapMs / 1000).toFixed(1)} s`);
    await moves.close();
  }
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(1);
}
