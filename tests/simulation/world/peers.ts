import type { PeerAt } from "../../../src/cluster/replication/peer.ts";
import { peerOver } from "../../../src/rpc/internal/peer-client.ts";
import { duplexOver } from "../../support/duplex-over.ts";
import type { ShadowLog } from "../checks/shadow-log.ts";
import type { SimProcess } from "./process.ts";
import { transportTo } from "./transport.ts";
import type { World } from "./world.ts";

/** Connections between nodes break this much less often per answer than those of clients: they carry many more. */
const breaks = 0.02;

/** How a process reaches the nodes that listen at an address. */
export function peersOf(
  process: SimProcess,
  { network, invariants, scheduler }: Pick<World, "network" | "invariants" | "scheduler">,
  own?: ShadowLog,
): PeerAt {
  return (address) => {
    const to = address.slice(0, address.indexOf(":"));
    const connection = () => {
      const transport = transportTo({ process, network, address, breaks });
      return peerOver({ transport, openDuplex: duplexOver(transport) });
    };
    return {
      replicate: (onEnd) => {
        const stream = connection().replicate(onEnd);
        return {
          append: async (request) => {
            const sentMs = scheduler.nowMs;
            const response = await stream.append(request);
            if (own !== undefined) invariants.answered(own, request, response, sentMs);
            return response;
          },
          close: () => stream.close(),
        };
      },
      countMisplaced: (request, signal) =>
        network.call({
          from: process,
          to,
          what: "count",
          signal,
          handle: ({ countMisplaced }) => countMisplaced(request),
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
      moveIn: (request, signal) => connection().moveIn(request, signal),
      moveOut: (request, signal) => connection().moveOut(request, signal),
    };
  };
}
