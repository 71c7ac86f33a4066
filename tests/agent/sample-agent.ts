import type { AgentIdentity } from "../../src/agent/identity.ts";
import type { Load } from "../../src/agent/load.ts";

export const identity: AgentIdentity = {
  id: "0123456789ab",
  serverIp: "10.0.0.1",
  role: "data",
  name: "zdata1",
  address: "10.0.0.1:1927",
  host: "vm",
  pid: 7,
  runtime: "bun",
  runtimeVersion: "1.0.0",
  version: "0.1.0",
  startedAt: "2026-01-01T00:00:00.000Z",
};

export const load: Load = {
  totalCpu: 1.5,
  totalMemory: 23_400_000_000,
  memoryUsage: 5_000_000_000,
  cpuUsage: 33.3,
  loadAverages: [0.333, 0.5, 1],
  processMemory: 100 * 1024 ** 2,
  diskTotal: 100_000_000,
  diskUsed: 50_000_000,
};
