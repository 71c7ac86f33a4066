import type { LatencySummary } from "../latencies.ts";

export interface RedisBenchmarkReport {
  readonly requests: number;
  readonly seconds: number;
  readonly latencies: LatencySummary;
}

/** Reads what redis-benchmark of Redis 7 says of one command. */
export function parseRedisBenchmark(output: string): RedisBenchmarkReport {
  // It writes its progress over itself.
  const lines = output.split(/[\r\n]+/);
  const find = (what: string, pattern: RegExp): string[] => {
    for (const line of lines) {
      const found = pattern.exec(line);
      if (found !== null) return found.slice(1);
    }
    throw new Error(`redis-benchmark has not said ${what}:\n${lines.slice(-40).join("\n")}`);
  };
  const [requests] = find("how many requests it made", /(\d+) requests completed in /);
  // The seconds that it says have two digits only.
  const [perSecond] = find("its rate", /throughput summary: ([\d.]+) requests per second/);
  const [p50, , p99] = find(
    "its latencies",
    /^\s+[\d.]+\s+[\d.]+\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+[\d.]+$/,
  );
  // Its percentiles halve what is left each time: the first from 99.9 on is 99.902.
  const percentiles = lines.flatMap((line) => {
    const found = /^([\d.]+)% <= ([\d.]+) milliseconds/.exec(line);
    return found === null ? [] : [{ part: Number(found[1]) / 100, ms: Number(found[2]) }];
  });
  const p999Ms = percentiles.find(({ part }) => part >= 0.999)?.ms ?? Number.NaN;
  return {
    requests: Number(requests),
    seconds: Number(requests) / Number(perSecond),
    latencies: { p50Ms: Number(p50), p99Ms: Number(p99), p999Ms },
  };
}
