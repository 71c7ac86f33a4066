import type { Round } from "../load.ts";
import { median, type Ratio, rateOf, ratiosOf } from "../ratios.ts";
import { tableOf } from "../statistics.ts";
import type { Result } from "../suite.ts";
import { limitOf } from "./limit.ts";

const head = ["", "calls/s", "p50 ms", "p99", "p99.9", "CPU µs a call", "memory MB", "limit"];

/** One workload in words: medians of the rounds of each side, and its ratios. */
export function reportOf(result: Result): string {
  const ratios = ratiosOf(result).map(ratioLine);
  switch (result.kind) {
    case "failed":
      return `${result.name}\n  could not be measured: ${result.why}`;
    case "load": {
      const rows = [...result.sides].map(([name, rounds]) => rowOf(name, rounds));
      return [result.name, tableOf(head, rows), ...ratios].join("\n");
    }
    case "figure": {
      const rows = [...result.sides].map(([name, figures]) => [
        name,
        ...[median(figures), Math.min(...figures), Math.max(...figures)].map(digits),
      ]);
      return [result.name, tableOf(["", result.unit, "least", "most"], rows), ...ratios].join("\n");
    }
  }
}

function rowOf(name: string, rounds: readonly Round[]): string[] {
  const failed = rounds.reduce((sum, { failures }) => sum + failures, 0);
  if (failed > 0) {
    const why = rounds.find(({ failure }) => failure !== undefined)?.failure ?? "";
    return [name, "", "", "", "", "", "", `${failed} calls failed: ${why}`];
  }
  const of = (figure: (round: Round) => number) => digits(median(rounds.map(figure)));
  return [
    name,
    of(rateOf),
    of(({ latencies }) => latencies.p50Ms),
    of(({ latencies }) => latencies.p99Ms),
    of(({ latencies }) => latencies.p999Ms),
    cpuOf(rounds),
    memoryOf(rounds),
    notesOf(rounds),
  ];
}

/** CPU time a call: of the client, and of each process. */
function cpuOf(rounds: readonly Round[]): string {
  const us = (seconds: (round: Round) => number) =>
    digits(median(rounds.map((round) => (seconds(round) / round.operations) * 1e6)));
  const servers = (rounds[0]?.processes ?? []).map(
    ({ role }, index) => `${role} ${us((round) => round.processes[index]?.cpuSeconds ?? 0)}`,
  );
  return [`client ${us(({ clientCpuSeconds }) => clientCpuSeconds)}`, ...servers].join(", ");
}

/** Of each process, in the order in which their CPU time is told. */
function memoryOf(rounds: readonly Round[]): string {
  return (rounds[0]?.processes ?? [])
    .map((_, index) => median(rounds.map(({ processes }) => (processes[index]?.memoryBytes ?? 0) / 1e6)))
    .map((megabytes) => megabytes.toFixed(0))
    .join(" ");
}

function notesOf(rounds: readonly Round[]): string {
  const limits = rounds.map(limitOf);
  const usual = limits.find((word) => limits.filter((other) => other === word).length > rounds.length / 2);
  const failovers = rounds.filter(({ leaderChanged }) => leaderChanged).length;
  return [usual, failovers > 0 ? `the leader changed in ${failovers} rounds` : undefined]
    .filter((note) => note !== undefined)
    .join("; ");
}

function ratioLine({ ours, theirs, rounds, median: middle }: Ratio): string {
  if (rounds.length === 0) return `  ${ours} : ${theirs} unknown`;
  const range = `${Math.min(...rounds).toFixed(2)} to ${Math.max(...rounds).toFixed(2)}`;
  return `  ${ours} : ${theirs} = ${middle.toFixed(2)} (${range})`;
}

/** With three digits that count. */
function digits(figure: number): string {
  return figure >= 100 ? figure.toFixed(0) : figure.toPrecision(3);
}
