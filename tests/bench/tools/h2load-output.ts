import { Latencies } from "../latencies.ts";

export interface H2loadReport {
  readonly seconds: number;
  readonly requests: number;
  /** Not answered, or not with a status of 2xx of HTTP. */
  readonly failures: number;
  /** Of all messages of answers. An error of gRPC is a 200 without a message. */
  readonly dataBytes: number;
}

/** Reads what h2load says at its end. */
export function parseH2load(output: string): H2loadReport {
  const numbers = (what: string, pattern: RegExp) => {
    const found = pattern.exec(output);
    if (found === null) throw new Error(`h2load has not said ${what}:\n${output}`);
    return found.slice(1);
  };
  const [amount, unit = ""] = numbers("how long it took", /^finished in ([\d.]+)(us|ms|s),/m);
  const [requests] = numbers("how many requests it made", /^requests: (\d+) total,/m);
  const [good] = numbers("which statuses it got", /^status codes: (\d+) 2xx,/m);
  const [succeeded] = numbers("how many requests ended", /(\d+) succeeded,/);
  const [dataBytes] = numbers("how much it got", /\((\d+)\) data$/m);
  const total = Number(requests);
  return {
    seconds: Number(amount) * ({ us: 1e-6, ms: 1e-3 }[unit] ?? 1),
    requests: total,
    failures: total - Math.min(Number(good), Number(succeeded)),
    dataBytes: Number(dataBytes),
  };
}

/**
 * Latencies out of h2load's log, whose lines have when a request began (in µs), its status and how long it took (in µs).
 *
 * With a rate, a request counts from when it was due, not from when h2load came to sending it: what waits behind a
 * stall has waited, too ("coordinated omission").
 */
export function latenciesOf(log: string, requestsPerSecond?: number): Latencies {
  const latencies = new Latencies();
  const requests = log
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t"))
    .map(([begunUs, , tookUs]) => ({ begunMs: Number(begunUs) / 1000, tookMs: Number(tookUs) / 1000 }));
  if (requestsPerSecond === undefined) {
    for (const { tookMs } of requests) latencies.add(tookMs);
    return latencies;
  }
  requests.sort((a, b) => a.begunMs - b.begunMs);
  const firstMs = requests[0]?.begunMs ?? 0;
  for (const [index, { begunMs, tookMs }] of requests.entries()) {
    const lateMs = begunMs - firstMs - (index * 1000) / requestsPerSecond;
    latencies.add(tookMs + Math.max(0, lateMs));
  }
  return latencies;
}
