import type { Agent } from "../../gen/kvlab/v1/admin_pb.ts";
import type { Routers } from "./routers.ts";

/** An agent, as `kvlab agents --json` prints it. What it does not report is absent. Sizes are in bytes. */
export interface AgentReport {
  /** Path of its znode. */
  readonly znode: string;
  /** Why its report cannot be used, or not be relied on. */
  readonly problem?: string;
  readonly id?: string;
  readonly role?: string;
  readonly name?: string;
  readonly address?: string;
  readonly serverIp?: string;
  readonly host?: string;
  readonly pid?: number;
  readonly totalCpu?: number;
  /** Percent. */
  readonly cpuUsage?: number;
  /** Over 1, 5 and 15 minutes. */
  readonly loadAverages?: readonly number[];
  readonly totalMemory?: number;
  readonly totalMemoryDesc?: string;
  readonly memoryUsage?: number;
  readonly processMemory?: number;
  readonly diskTotal?: number;
  readonly diskUsed?: number;
  readonly runtime?: string;
  readonly runtimeVersion?: string;
  readonly version?: string;
  readonly startedAt?: string;
  readonly writtenAt?: string;
}

export interface AgentsReport {
  readonly agents: readonly AgentReport[];
  /** How many more there are. */
  readonly omitted: number;
}

/** Asks a router for the agents. Errors: ExitError. */
export async function readAgents(ask: Routers["ask"]): Promise<AgentsReport> {
  const { agents, omitted } = await ask({
    what: "agents",
    kind: "read",
    call: ({ admin }, options) => admin.listAgents({}, options),
  });
  return { agents: agents.map(reportOf), omitted };
}

function reportOf({ $typeName, $unknown, ...agent }: Agent): AgentReport {
  const entries = Object.entries(agent).filter(([, value]) => value !== "" && !isEmpty(value));
  const plain = entries.map(([name, value]) => [name, typeof value === "bigint" ? Number(value) : value]);
  return { znode: agent.znode, ...Object.fromEntries(plain) };
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
