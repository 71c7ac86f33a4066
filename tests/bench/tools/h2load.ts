import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Load } from "../load.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { callOnce, framed, type GrpcCall } from "./grpc.ts";
import { latenciesOf, parseH2load } from "./h2load-output.ts";
import { runTool } from "./run-tool.ts";

export interface H2loadSettings {
  /** `host:port` */
  readonly address: string;
  /** The one call that is made again and again: h2load sends one body only. */
  readonly call: GrpcCall;
  readonly inFlight: number;
  readonly requests: number;
  /** Sends at this rate, whatever becomes of the requests before; as fast as answers come if absent. */
  readonly requestsPerSecond?: number;
}

/** In RAM where there is such a folder: the log of a request must not wait for the disk that is measured. */
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** As many as an application has connections to a server; streams share them. */
const connectionsMax = 4;

export async function runH2load(settings: H2loadSettings): Promise<Load> {
  const { address, call, inFlight, requests, requestsPerSecond } = settings;
  const folder = await temporaryFolder("h2load", scratch);
  const [body, log] = [join(folder, "body"), join(folder, "log")];
  const connections = Math.min(connectionsMax, inFlight, requests);
  // h2load takes a whole number for each connection.
  const connectionRate = requestsPerSecond && Math.ceil(requestsPerSecond / connections);
  try {
    await writeFile(body, framed(call.message));
    const before = await answerBytes(address, call);
    const args = [
      ["-n", `${requests}`, "-c", `${connections}`, "-m", `${Math.ceil(inFlight / connections)}`],
      ["-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers", "--log-file", log],
      connectionRate === undefined ? [] : ["--rps", `${connectionRate}`],
      [`http://${address}${call.path}`],
    ].flat();
    const { stdout, cpuSeconds } = await runTool("h2load", args);
    const after = await answerBytes(address, call);
    const report = parseH2load(stdout);
    // h2load looks at the status of HTTP only. An error of gRPC brings no message, and so is missing here.
    const missing = report.requests - Math.round(report.dataBytes / Math.max(before, after));
    const isWhole = report.dataBytes >= report.requests * Math.min(before, after);
    const failures = Math.max(report.failures, isWhole ? 0 : Math.max(1, missing));
    return {
      operations: report.requests - failures,
      seconds: report.seconds,
      failures,
      ...(failures > 0 ? { failure: `${report.dataBytes} bytes came, and a good answer has ${before}` } : {}),
      latencies: latenciesOf(await readFile(log, "utf8"), connectionRate && connectionRate * connections)
        .summary,
      clientCpuSeconds: cpuSeconds,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** How long an answer that is a success is now. It grows with the revision in it. */
async function answerBytes(address: string, call: GrpcCall): Promise<number> {
  const [answer] = await callOnce(address, [call]);
  return answer?.length ?? 0;
}
