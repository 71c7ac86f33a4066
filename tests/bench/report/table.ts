import { limitOf, type Measured, median, type Ratio, type Round, rateOf, ratiosOf } from "../measure.ts";
import { tableOf } from "../statistics.ts";

const head = ["", "calls/s", "p50 ms", "p99", "p99.9", "CPU µs a call", "memory MB", "limit"];

/** One workload in words: medians of the rounds of each side, and its ratios. */
export function reportOf(measured: Measured): string {
  const rows = [...measured.sides].map(([name, rounds]) => rowOf(name, rounds));
  return [`${measured.workload.name}`, tableOf(head, rows), ...ratiosOf(measured).map(ratioLine)].join("\n");
}

function rowOf(name: string, rounds: readonly Round[]): string[] {
  const failed = rounds.reduce((sum, { failures }) => sum + failures, 0);
  if (failed > 0) {
    const why = rounds.find(({ failure }) => failure !== undefined)?.failure ?? "";
    return [name, `${failed} calls failed: ${why}`];
  }
  const of = (figure: (round: Round) => number) => median(rounds.map(figure));
  return [
    name,
    of(rateOf).toFixed(0),
    of(({ latencies }) => latencies.p50Ms).toFixed(2),
    of(({ latencies }) => latencies.p99Ms).toFixed(2),
    of(({ latencies }) => latencies.p999Ms).toFixed(2),
    cpuOf(rounds),
    memoryOf(rounds),
    mostly(rounds.map(limitOf)) ?? "",
  ];
}

/** CPU time a call: of the client, and of each process. */
function cpuOf(rounds: readonly Round[]): string {
  const us = (seconds: (round: Round) => number) =>
    median(rounds.map((round) => (seconds(round) / round.operations) * 1e6)).toFixed(0);
  const servers = (rounds[0]?.processes ?? []).map(
    ({ role }, index) => `${role} ${us((round) => round.processes[index]?.cpuSeconds ?? 0)}`,
  );
  return [`client ${us(({ clientCpuSeconds }) => clientCpuSeconds)}`, ...servers].join(", ");
}

function memoryOf(rounds: readonly Round[]): string {
  const mb = (index: number) =>
    median(rounds.map(({ processes }) => (processes[index]?.memoryBytes ?? 0) / 1e6)).toFixed(0);
  return (rounds[0]?.processes ?? []).map((_, index) => mb(index)).join(" ");
}

function ratioLine({ ours, theirs, rounds, median: middle }: Ratio): string {
  const range = `${Math.min(...rounds).toFixed(2)} to ${Math.max(...rounds).toFixed(2)}`;
  return `  ${ours} : ${theirs} = ${middle.toFixed(2)} (${range})`;
}

/** What more than half of all say. */
function mostly(words: readonly (string | undefined)[]): string | undefined {
  return words.find((word) => words.filter((other) => other === word).length > words.length / 2);
}
