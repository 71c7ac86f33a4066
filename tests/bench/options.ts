import process from "node:process";
import { parseArgs } from "node:util";
import type { Suite } from "./suite.ts";

const HELP = `Measures kvlab beside etcd and Redis: the same work on each, in turns.

Usage: npm run bench -- [--only PART]... [--rounds N] [--seconds N] [--json FILE] [--svg FILE] [--list]

  --only PART  Only workloads whose name contains PART, e.g. grpc/put or /128/
  --rounds N   How often each side of a workload is measured (default 5)
  --seconds N  For how long each time (default 2)
  --json FILE  Writes every round there
  --svg FILE   Draws all ratios there
  --list       Says the names of all workloads

Needs Linux, and the Debian packages zookeeper, etcd-server, redis-server, redis-tools and nghttp2-client.
`;

export interface BenchOptions {
  /** What was chosen of each suite. */
  readonly chosen: readonly { readonly suite: Suite; readonly names: readonly string[] }[];
  readonly rounds: number;
  readonly seconds: number;
  readonly json: string | undefined;
  readonly svg: string | undefined;
}

/** Reads the command line. Ends the process after help and after mistakes. */
export function readOptions(suites: readonly Suite[]): BenchOptions {
  const values = parse();
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const chosen = suites
    .map((suite) => ({
      suite,
      names: suite.names.filter((name) => values.only?.some((part) => name.includes(part)) ?? true),
    }))
    .filter(({ names }) => names.length > 0);
  if (chosen.length === 0) {
    fail(`no workload has ${values.only?.join(" or ")} in its name; --list says all names`);
  }
  if (values.list) {
    for (const name of chosen.flatMap(({ names }) => names)) console.log(name);
    process.exit(0);
  }
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    fail(`--rounds is ${values.rounds}; it must be a whole number greater than 0`);
  }
  const seconds = Number(values.seconds);
  if (!(seconds >= 0.1 && seconds <= 3600)) {
    fail(`--seconds is ${values.seconds}; it must be a number from 0.1 to 3600`);
  }
  return { chosen, rounds, seconds, json: values.json, svg: values.svg };
}

function parse() {
  try {
    return parseArgs({
      options: {
        only: { type: "string", multiple: true },
        rounds: { type: "string", default: "5" },
        seconds: { type: "string", default: "2" },
        json: { type: "string" },
        svg: { type: "string" },
        list: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}

export function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}
