import type { Load } from "../load.ts";
import { parseRedisBenchmark } from "./redis-benchmark-output.ts";
import { runTool } from "./run-tool.ts";

export interface RedisBenchmarkSettings {
  readonly port: number;
  readonly connections: number;
  /** Commands that a connection sends before it waits for their answers. */
  readonly pipeline: number;
  readonly requests: number;
  /** `__rand_int__` in it is replaced by 12 digits, below `keys`. */
  readonly command: readonly string[];
  readonly keys: number;
  /** The command's last argument. */
  readonly value?: string;
}

/** An answer that is an error ends redis-benchmark at once, with an exit code that is an error here, too. */
export async function runRedisBenchmark(settings: RedisBenchmarkSettings): Promise<Load> {
  const { port, connections, pipeline, requests, command, keys, value } = settings;
  const args = [
    ["-p", `${port}`, "-c", `${connections}`, "-P", `${pipeline}`, "-n", `${requests}`],
    ["-r", `${keys}`, "--precision", "3"],
    value === undefined ? [] : ["-x"],
    command,
  ].flat();
  const { stdout, cpuSeconds } = await runTool("redis-benchmark", args, value);
  const report = parseRedisBenchmark(stdout);
  return {
    operations: report.requests,
    seconds: report.seconds,
    failures: 0,
    latencies: report.latencies,
    clientCpuSeconds: cpuSeconds,
  };
}
