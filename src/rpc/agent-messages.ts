import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AgentSchema, ListAgentsResponseSchema } from "../../gen/kvlab/v1/admin_pb.ts";
import type { AgentListing, ListedAgent } from "../agent/agent-list.ts";

export function toAgentListing({
  agents,
  omitted,
}: AgentListing): MessageInitShape<typeof ListAgentsResponseSchema> {
  return { agents: agents.map(toAgent), omitted };
}

function toAgent({ report, ...listed }: ListedAgent): MessageInitShape<typeof AgentSchema> {
  const { pid, totalCpu, cpuUsage, totalMemory, memoryUsage, processMemory, diskTotal, diskUsed, ...rest } =
    report;
  return {
    ...listed,
    ...rest,
    loadAverages: [...rest.loadAverages],
    ...(pid !== undefined && { pid: BigInt(pid) }),
    ...(totalCpu !== undefined && { totalCpu }),
    ...(cpuUsage !== undefined && { cpuUsage }),
    ...(totalMemory !== undefined && { totalMemory: BigInt(totalMemory) }),
    ...(memoryUsage !== undefined && { memoryUsage: BigInt(memoryUsage) }),
    ...(processMemory !== undefined && { processMemory: BigInt(processMemory) }),
    ...(diskTotal !== undefined && { diskTotal: BigInt(diskTotal) }),
    ...(diskUsed !== undefined && { diskUsed: BigInt(diskUsed) }),
  };
}
