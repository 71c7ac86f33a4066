import { writeFileSync } from "node:fs";
import type { Machine } from "../machine.ts";
import { ratiosOf } from "../ratios.ts";
import type { Result } from "../suite.ts";

export interface Report {
  readonly begun: string;
  readonly machine: Machine;
  /** By name of system or tool. */
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly seconds: number;
  readonly results: readonly Result[];
}

/** Every round of every workload. */
export function writeJson(file: string, report: Report): void {
  const results = report.results.map((result) =>
    result.kind === "failed"
      ? result
      : { ...result, sides: Object.fromEntries<unknown>(result.sides), ratios: ratiosOf(result) },
  );
  writeFileSync(file, `${JSON.stringify({ ...report, results }, undefined, 2)}\n`);
}
