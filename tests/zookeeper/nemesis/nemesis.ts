import process from "node:process";
import { parseArgs } from "node:util";
import { runNemesis } from "./run.ts";
import { workloads } from "./workloads/all.ts";

const names = workloads.map(({ name }) => name).join(", ");

const HELP = `Uses the recipes for ZooKeeper on a real ensemble under faults, and checks what they promise.

Usage: npm run zookeeper-nemesis -- [--rounds N] [--recipe NAME] [--seed N]

  --rounds N     How often (default 500)
  --recipe NAME  Only this one, or these when it is given several times: ${names}
  --seed N       Which faults come in which order; their effect is another every time

Exits with 1 and tells the round when a promise was broken.
`;

const { rounds, seed, chosen } = readOptions();
for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => process.exit(1));
console.log(`seed ${seed}: ${rounds} rounds of ${chosen.map(({ name }) => name).join(", ")}`);
const begun = performance.now();
const result = await runNemesis({
  seed,
  rounds,
  workloads: chosen,
  onProgress(done) {
    if (done % 10 !== 0) return;
    console.log(`${Math.round((performance.now() - begun) / 1000)} s: ${done} rounds`);
  },
});
for (const [name, count] of result.faults) console.log(`${name}: ${count}`);
console.log(result.violation ?? `${result.rounds} rounds, and every promise was kept`);
process.exit(result.violation === undefined ? 0 : 1);

function readOptions() {
  try {
    const text = { type: "string" } as const;
    const { values } = parseArgs({
      options: {
        rounds: text,
        recipe: { ...text, multiple: true },
        seed: text,
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    const { rounds = "500", recipe, seed = `${Math.floor(Math.random() * 1e6)}` } = values;
    if (!/^[1-9]\d{0,8}$/.test(rounds))
      throw new Error(`--rounds is ${rounds}; it must be a whole number from 1`);
    if (!/^\d{1,15}$/.test(seed)) throw new Error(`--seed is ${seed}; it must be a whole number`);
    const chosen = workloads.filter(({ name }) => recipe === undefined || recipe.includes(name));
    if (chosen.length === 0) throw new Error(`--recipe is ${recipe}; allowed: ${names}`);
    return { rounds: Number(rounds), seed: Number(seed), chosen };
  } catch (error) {
    console.error(`zookeeper-nemesis: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(2);
  }
}
