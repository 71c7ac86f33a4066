import process from "node:process";
import { CommandLine } from "./command-line.ts";
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

export const commandLine = new CommandLine("bench", HELP);

/** Reads the command line. Ends the process after help and after mistakes. */
export function readOptions(suites: readonly Suite[]): BenchOptions {
  const { only, rounds, seconds, json, svg, list } = commandLine.read({
    only: { type: "string", multiple: true },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    json: { type: "string" },
    svg: { type: "string" },
    list: { type: "boolean" },
  });
  const chosen = suites
    .map((suite) => ({
      suite,
      names: suite.names.filter((name) => only?.some((part) => name.includes(part)) ?? true),
    }))
    .filter(({ names }) => names.length > 0);
  if (chosen.length === 0) {
    commandLine.fail(`no workload has ${only?.join(" or ")} in its name; --list says all names`);
  }
  if (list) {
    for (const name of chosen.flatMap(({ names }) => names)) console.log(name);
    process.exit(0);
  }
  return {
    chosen,
    rounds: commandLine.count("rounds", rounds),
    seconds: commandLine.seconds("seconds", seconds),
    json,
    svg,
  };
}
