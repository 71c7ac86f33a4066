import { availableParallelism } from "node:os";
import type { Round } from "../load.ts";

/** What kept a side from being faster, as far as CPU time tells; a client that has no more says nothing of a server. */
export function limitOf(round: Round): string | undefined {
  const { seconds, clientCpuSeconds, otherCores } = round;
  const servers = round.processes.map(({ cpuSeconds }) => cpuSeconds / seconds);
  const client = clientCpuSeconds / seconds;
  if (otherCores > 0.2) return `others use ${otherCores.toFixed(1)} cores`;
  if (client > 0.9 && client > Math.max(0, ...servers)) return "the client";
  const all = servers.reduce((sum, cores) => sum + cores, client + otherCores);
  return all > 0.95 * availableParallelism() ? "all cores" : undefined;
}
