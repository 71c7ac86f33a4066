// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { latenciesOf, parseH2load } from "./h2load-output.ts";

/** What h2load of nghttp2 1.52 says. */
const output = `starting benchmark...
progress: 100% done

finished in 254.42ms, 3930.55 req/s, 270.72KB/s
requests: 1000 total, 1000 started, 1000 done, 1000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 68.88KB (70530) total, 2.00KB (2048) headers (space savings 94.61%), 33.08KB (33874) data
                     min         max         mean         sd        +/- sd
time for request:      361us     77.44ms      8.02ms     17.48ms    93.60%
`;

test("h2load's figures are read", () => {
  assert.deepEqual(parseH2load(output), { seconds: 0.25442, requests: 1000, failures: 0, dataBytes: 33_874 });
  assert.equal(parseH2load(output.replace("254.42ms", "1.03s")).seconds, 1.03);
});

test("what was not answered, or not with success, is a failure", () => {
  assert.equal(parseH2load(output.replace("1000 2xx", "990 2xx")).failures, 10);
  assert.equal(parseH2load(output.replace("1000 succeeded", "900 succeeded")).failures, 100);
});

test("other words of h2load are an error and no figure", () => {
  assert.throws(() => parseH2load("could not connect"), /h2load has not said how long it took:\ncould not/);
});

test("latencies are read from the log", () => {
  const { p50Ms, p99Ms } = latenciesOf("1000\t200\t2000\n1500\t200\t2000\n1800\t200\t50000\n").summary;
  assert.ok(p50Ms >= 2 && p50Ms < 2.03);
  assert.ok(p99Ms >= 50 && p99Ms < 50.6);
});

test("at a rate, a request that was sent late counts from when it was due", () => {
  // 1,000 a second: one each millisecond. The second was sent 9 ms after it was due, which its own time does not show.
  const log = "1000000\t200\t1000\n1010000\t200\t1000\n1010000\t200\t1000\n";
  const { p99Ms } = latenciesOf(log, 1000).summary;
  assert.ok(p99Ms >= 10 && p99Ms < 10.2, `${p99Ms}`);
  assert.ok(latenciesOf(log).summary.p99Ms < 1.02);
});
