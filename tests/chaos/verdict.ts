import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { HistoryRecorder } from "../checker/history.ts";
import { type KeyOperation, keyValueModel } from "../checker/key-value-model.ts";
import { checkLinearizability } from "../checker/linearizability.ts";
import { describeViolation } from "../checker/report.ts";
import type { ChaosCluster } from "./cluster.ts";
import type { Deed } from "./nemesis.ts";

/** Deeds shown before and after what the checker finds. */
const storyMs = 5000;

/** Whether every key's history is linearizable: nothing, or the story of the first violation, in lines of text. */
export function judge(history: HistoryRecorder<KeyOperation>, deeds: readonly Deed[]): string[] {
  const verdict = checkLinearizability(keyValueModel, history.history());
  if (verdict.verdict === "linearizable") return [];
  if (verdict.verdict === "undecided") {
    return [`too long to be checked: the histories of ${verdict.parts.join(", ")}`];
  }
  const { violation } = verdict;
  const times = violation.conflict.flatMap(({ called, returned }) => [called, returned ?? called]);
  const [from, to] = [Math.min(...times) - storyMs, Math.max(...times) + storyMs];
  const around = deeds.filter(({ atMs }) => atMs > from && atMs < to);
  return [
    ...describeViolation(keyValueModel, violation),
    "",
    "What was done to the cluster meanwhile:",
    ...around.map(lineOf),
  ];
}

/** From the servers' logs: how many epochs were served, and those that two nodes served. */
export async function epochsServed({
  servers,
  folder,
}: ChaosCluster): Promise<{ count: number; twice: string[] }> {
  const served = new Map<string, string>();
  const twice: string[] = [];
  for (const { process, group } of servers) {
    if (group === undefined) continue;
    const log = await readFile(join(folder, `${process.name}.log`), "utf8");
    for (const [, epoch] of log.matchAll(/serving as primary of epoch (\d+)/g)) {
      const other = served.get(`${group} ${epoch}`);
      if (other !== undefined) twice.push(`epoch ${epoch}: both ${other} and ${process.name} have served`);
      served.set(`${group} ${epoch}`, process.name);
    }
  }
  return { count: served.size, twice };
}

/** A deed as a line of text. */
export function lineOf({ atMs, what }: Deed): string {
  return `${atMs.toFixed(3).padStart(14)}  ${what}`;
}
