import type { AppendRequest, PeerAt } from "../../../src/cluster/replication/peer.ts";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import type { ShadowLog } from "../checks/shadow-log.ts";
import type { SimProcess } from "./process.ts";
import type { World } from "./world.ts";

/** How a process reaches the nodes that listen at an address. */
export function peersOf(
  process: SimProcess,
  { network, invariants, scheduler }: Pick<World, "network" | "invariants" | "scheduler">,
  own?: ShadowLog,
): PeerAt {
  return (address) => {
    const to = address.slice(0, address.indexOf(":"));
    return {
      async append(request, signal) {
        const sent = copyOf(request);
        const sentMs = scheduler.nowMs;
        const response = await network.call({
          from: process,
          to,
          what: `append ${request.epoch}.${request.previous.seq}+${request.records.length}`,
          signal,
          repeatable: "always",
          handle: ({ append }) => append(copyOf(sent)),
        });
        if (own !== undefined) invariants.answered(own, sent, response, sentMs);
        return response;
      },
      countMisplaced: (request, signal) =>
        network.call({
          from: process,
          to,
          what: "count",
          signal,
          handle: async ({ countMisplaced }) => countMisplaced(request),
        }),
      transferLeadership: (request, signal) =>
        network.call({
          from: process,
          to,
          what: `transfer to ${request.number}`,
          signal,
          handle: ({ transferLeadership }, given) => transferLeadership(request, given),
        }),
      position: (request, signal) =>
        network.call({
          from: process,
          to,
          what: "position",
          signal,
          handle: async ({ position }) => position(request),
        }),
      reportSilence: (report, signal) =>
        network.call({
          from: process,
          to,
          what: `silence of epoch ${report.epoch}`,
          signal,
          repeatable: "always",
          handle: ({ reportSilence }) => reportSilence(report),
        }),
    };
  };
}

/** Bytes cross the network as they are at the time of sending. */
function copyOf(request: AppendRequest): AppendRequest {
  return { ...request, records: request.records.map(copyOfRecord) };
}

function copyOfRecord(record: LogRecord): LogRecord {
  const changes = record.changes.map((change) => ({ ...change, value: Uint8Array.from(change.value) }));
  return { ...record, changes };
}
