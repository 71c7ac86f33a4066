import { writeFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import { KilledMoves, steps, victims } from "./kill-at-steps.ts";

const HELP = `Kills processes in the middle of moves of keys: each that takes part, at each step.

Usage: npm run ring-kills -- [--rounds N]

  --rounds N  How often each process is killed at each step (default 20)

Exits with 1 when a promise was broken; what the servers have written is then in ring-kills.log.
`;

process.exitCode = await run(readRounds());

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

async function run(rounds: number): Promise<number> {
  const moves = await KilledMoves.start();
  const begun = performance.now();
  const seconds = () => ((performance.now() - begun) / 1000).toFixed(1);
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const step of steps) for (const victim of victims) await moves.kill(victim, step);
      console.log(`round ${round}: ${steps.length * victims.length} kills, ${seconds()} s`);
    }
    await moves.check();
    console.log(`${moves.writeCount} writes, each carried out and told once`);
    return 0;
  } catch (error) {
    console.error(error);
    await writeFile("ring-kills.log", moves.output);
    return 1;
  } finally {
    await moves.close();
  }
}
