import type { PlannedFault } from "./faults/plan.ts";
import type { RunResult } from "./run.ts";
import { profileOf } from "./world/world.ts";

/** Of what happened last, as much as is shown. */
const linesMax = 80;

/** What somebody wants to know of a run that has failed. */
export function tellStory(
  { seed, violation, lines = [] }: RunResult,
  plan: readonly PlannedFault[],
): string[] {
  const { groups, nodesPerGroup, routers, clients, replication, sessionTimeoutMs } = profileOf(seed);
  const told = lines.filter((line, index) => !isRepetition(line, lines[index - 1]));
  return [
    `seed ${seed}: ${violation ?? "no violation"}`,
    "",
    `Groups ${groups.join(", ")} of ${nodesPerGroup} nodes; ${routers} routers, ${clients} clients; ` +
      `lease ${replication.leaseMs} ms, standby time-out ${replication.standbyTimeoutMs} ms, ` +
      `minsync ${replication.minSync}, session ${sessionTimeoutMs} ms.`,
    `Faults that are enough for it (${plan.length}):`,
    ...plan.map((fault) => `  ${describe(fault)}`),
    `What happened${told.length > linesMax ? `; its last ${linesMax} of ${told.length} steps` : ""}:`,
    ...told.slice(-linesMax),
    "",
    `Again: npm run simulate -- --seed ${seed}`,
  ];
}

function describe({ kind, role, when, durationMs }: PlannedFault): string {
  const at =
    "atMs" in when
      ? `at ${when.atMs.toFixed(2)} ms`
      : `${when.delayMs.toFixed(2)} ms after the ${when.nth}. ${when.moment}`;
  return `${kind} (${role}) ${at}, for ${durationMs.toFixed(0)} ms`;
}

/** Whether a line says what the one before has said, at another time. */
function isRepetition(line: string, before: string | undefined): boolean {
  return before !== undefined && line.slice(12) === before.slice(12);
}
