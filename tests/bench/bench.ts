import { writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { describeMachine } from "./machine.ts";
import { type Measured, measure, ratiosOf } from "./measure.ts";
import { missingPrograms } from "./peers/peer.ts";
import { reportOf } from "./report/table.ts";
import { clientsSuite } from "./suites/clients.ts";
import { grpcSuite } from "./suites/grpc.ts";
import type { Suite } from "./workload.ts";

const HELP = `Measures kvlab beside etcd and Redis: the same work on each, in turns.

Usage: npm run bench -- [--only PART]... [--rounds N] [--seconds N] [--json FILE] [--list]

  --only PART  Only workloads whose name contains PART, e.g. grpc/put or /128/
  --rounds N   How often each side of a workload is measured (default 5)
  --seconds N  For how long each time (default 2)
  --json FILE  Writes every round there
  --list       Says the names of all workloads

Needs Linux, and the Debian packages zookeeper, etcd-server, redis-server, redis-tools and nghttp2-client.
`;

const suites: readonly Suite[] = [grpcSuite, clientsSuite];
const options = readOptions();
await run();

function readOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "2" },
      json: { type: "string" },
      list: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const number = (name: "rounds" | "seconds") => {
    const given = Number(values[name]);
    if (given >= 1 && (name === "seconds" || Number.isInteger(given))) return given;
    fail(
      `--${name} is ${values[name]}; it must be ${name === "rounds" ? "a whole number" : "a number"} from 1 on`,
    );
  };
  const isChosen = ({ name }: { name: string }) => values.only?.some((part) => name.includes(part)) ?? true;
  const chosen = suites
    .map((suite) => ({ suite, workloads: suite.workloads.filter(isChosen) }))
    .filter(({ workloads }) => workloads.length > 0);
  if (chosen.length === 0)
    fail(`no workload has ${values.only?.join(" or ")} in its name; --list says all names`);
  if (values.list) {
    for (const { name } of chosen.flatMap(({ workloads }) => workloads)) console.log(name);
    process.exit(0);
  }
  return { chosen, rounds: number("rounds"), seconds: number("seconds"), json: values.json };
}

function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}

async function run(): Promise<void> {
  const missing = missingPrograms(options.chosen.flatMap(({ suite }) => suite.needs));
  if (missing.length > 0) fail(missing.join("\n"));
  const machine = describeMachine();
  console.log(
    `${machine.cores} cores of ${machine.processor}, ${machine.memoryGb} GB, Linux ${machine.kernel}, ` +
      `fdatasync ${machine.syncMs.toFixed(3)} ms, load before ${machine.loadBefore.toFixed(2)}`,
  );
  const all: Measured[] = [];
  const versions: Record<string, string> = {};
  for (const { suite, workloads } of options.chosen) {
    progress(`${suite.name}: clusters start`);
    const open = await suite.open();
    try {
      for (const { name, version } of open.peers) versions[name] = version;
      for (const workload of workloads) {
        const measured = await measure(workload, open.sidesOf(workload), { ...options, progress });
        all.push(measured);
        progress("");
        console.log(`\n${reportOf(measured)}`);
      }
    } finally {
      await open.close();
    }
  }
  console.log(
    `\n${Object.entries(versions)
      .map(([name, version]) => `${name}: ${version}`)
      .join("\n")}`,
  );
  if (options.json !== undefined) {
    const workloads = all.map((measured) => ({
      name: measured.workload.name,
      compared: measured.workload.compared,
      ratios: ratiosOf(measured),
      sides: Object.fromEntries(measured.sides),
    }));
    const { rounds, seconds } = options;
    const report = { machine, versions, rounds, seconds, workloads };
    writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  process.exit(0);
}

/** On a terminal, in one line that each step writes anew. */
function progress(step: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${step}`);
}
