import { writeFileSync } from "node:fs";
import process from "node:process";
import { progress } from "../support/progress.ts";
import { describeMachine } from "./machine.ts";
import { commandLine, readOptions } from "./options.ts";
import { type Report, writeJson } from "./report/json.ts";
import { svgOf } from "./report/svg.ts";
import { reportOf } from "./report/table.ts";
import type { Result } from "./suite.ts";
import { clientsSuite } from "./suites/clients.ts";
import { groupsSuite } from "./suites/groups.ts";
import { grpcSuite } from "./suites/grpc.ts";
import { idleSuite } from "./suites/idle.ts";
import { memorySuite } from "./suites/memory.ts";
import { millionSuite } from "./suites/million.ts";
import { openingSuite } from "./suites/opening.ts";
import { rateSuite } from "./suites/rate.ts";
import { routerSuite } from "./suites/router.ts";
import { toolVersions } from "./tools/versions.ts";

const options = readOptions([
  ...[grpcSuite, routerSuite, rateSuite, clientsSuite, groupsSuite, millionSuite],
  ...[memorySuite, openingSuite, idleSuite],
]);
commandLine.needs([...new Set(options.chosen.flatMap(({ suite }) => suite.needs))]);
process.exit((await run()) ? 0 : 1);

/** Returns whether all that was chosen could be measured. */
async function run(): Promise<boolean> {
  const { chosen, rounds, seconds } = options;
  const [begun, machine, results] = [new Date().toISOString(), describeMachine(), [] as Result[]];
  const versions = toolVersions();
  console.log(
    `${machine.cores} cores of ${machine.processor}, ${machine.memoryGb} GB, Linux ${machine.kernel}, ` +
      `fdatasync ${machine.syncMs.toFixed(3)} ms, load before ${machine.loadBefore.toFixed(2)}`,
  );
  const version = (name: string, text: string) => {
    versions[name] = text;
  };
  for (const { suite, names } of chosen) {
    for await (const result of suite.run(names, { rounds, seconds, progress, version })) {
      results.push(result);
      progress("");
      console.log(`\n${reportOf(result)}`);
      // What is there counts, also when the rest is interrupted.
      keep({ begun, machine, versions, rounds, seconds, results });
    }
  }
  const lines = Object.entries(versions).map(([name, text]) => `${name}: ${text}`);
  console.log(`\n${lines.join("\n")}`);
  return results.every(({ kind }) => kind !== "failed");
}

function keep(report: Report): void {
  if (options.json !== undefined) writeJson(options.json, report);
  if (options.svg !== undefined) writeFileSync(options.svg, svgOf(report.results));
}
