import type { ConnectRouter } from "@connectrpc/connect";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import type { Topology } from "../cluster/metadata/model.ts";
import { OperationError } from "../cluster/metadata/operation-error.ts";
import type { TopologySource } from "../cluster/metadata/topology.ts";
import { checkKey } from "../cluster/node/limits.ts";
import { noRingReason, ownerOf } from "../cluster/ring/placement.ts";
import type { Clock } from "../common/clock.ts";
import { answering } from "./errors.ts";
import { firstTopology } from "./first-topology.ts";
import { ageOf, toTopologyMessage } from "./topology-message.ts";

export function routerRoutes(router: ConnectRouter, source: TopologySource, clock: Clock): void {
  router.service(RouterService, {
    async locate({ key }, { signal }) {
      return await answering(async () => {
        checkKey(key);
        const topology = await firstTopology(source, clock, signal);
        const owner = ownerOf(topology, key);
        if (owner === undefined) throw new OperationError("unavailable", noRingReason(topology));
        return {
          group: owner.group,
          address: owner.address ?? "",
          ringVersion: BigInt(owner.ringVersion),
          ageMs: ageOf(topology, clock.monotonicMs()),
        };
      });
    },

    getTopology: (_request, { signal }) =>
      answering(async () => {
        const topology = await firstTopology(source, clock, signal);
        return { topology: toTopologyMessage(topology, clock.monotonicMs()) };
      }),

    async *watchTopology(_request, context) {
      await answering(() => firstTopology(source, clock, context.signal));
      let sent: Topology | undefined;
      for (;;) {
        const before = sent;
        sent = await source.waitUntil((topology) => topology !== before, context.signal);
        yield { topology: toTopologyMessage(sent, clock.monotonicMs()) };
      }
    },
  });
}
