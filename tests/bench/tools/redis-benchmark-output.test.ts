// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRedisBenchmark } from "./redis-benchmark-output.ts";

/** What redis-benchmark 7.0.15 says, with progress that it has written over. */
const output = `SET: rps=0.0 (overall: 0.0) avg_msec=nan\rSET: rps=37000.0 (overall: 1.0) avg_msec=0.5\r====== SET ======
  20000 requests completed in 0.54 seconds
  32 parallel clients
  100 bytes payload

Latency by percentile distribution:
0.000% <= 0.095 milliseconds (cumulative count 1)
50.000% <= 0.311 milliseconds (cumulative count 10282)
99.805% <= 12.631 milliseconds (cumulative count 19961)
99.902% <= 15.047 milliseconds (cumulative count 19981)
100.000% <= 122.559 milliseconds (cumulative count 20000)

Cumulative distribution of latencies:
99.915% <= 15.103 milliseconds (cumulative count 19983)

Summary:
  throughput summary: 37383.18 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        0.571     0.088     0.311     0.607     6.583   122.559
`;

test("redis-benchmark's figures are read, with the first percentile that is not below 99.9", () => {
  assert.deepEqual(parseRedisBenchmark(output), {
    requests: 20_000,
    seconds: 20_000 / 37_383.18,
    latencies: { p50Ms: 0.311, p99Ms: 6.583, p999Ms: 15.047 },
  });
});

test("other words of redis-benchmark are an error and no figure", () => {
  assert.throws(
    () => parseRedisBenchmark("Could not connect to Redis"),
    /redis-benchmark has not said how many requests it made:\nCould not connect/,
  );
});
