import { RouterNode } from "../../../src/cluster/node/router-node.ts";
import { adminRoutes } from "../../../src/rpc/admin-service.ts";
import { forwardingRoutes } from "../../../src/rpc/forwarding/forwarder.ts";
import { askingReports } from "../../../src/rpc/internal/report-client.ts";
import { routerRoutes } from "../../../src/rpc/router-service.ts";
import { addressOf } from "../../support/address.ts";
import { environmentOf } from "../clients/environment.ts";
import { sessionOpener } from "./coordination-client.ts";
import { Host } from "./host.ts";
import { peersOf } from "./peers.ts";
import type { SimProcess } from "./process.ts";
import { Routes } from "./routes.ts";
import { transportTo } from "./transport.ts";

/** A machine with a router, which passes the clients' calls on to the primaries. */
export class RouterHost extends Host {
  protected async run(process: SimProcess): Promise<void> {
    const { network, coordination } = this.world;
    const { clock } = process;
    const node = new RouterNode({
      openSession: sessionOpener(coordination, process),
      clock,
      access: "open",
      peerAt: peersOf(process, this.world),
      askReport: askingReports((address) => transportTo({ process, network: this.world.network, address })),
      virtualNodes: 8,
      newGroups: this.world.profile.changesRing ? "enter" : "wait",
      whoAnswers: async () => "self",
      log: (message) => process.log(message),
      onFailure: (error) => this.failed(process, error),
    });
    this.onLeave = () => node.leave();
    const routes = new Routes(process);
    adminRoutes(routes, node, clock);
    routerRoutes(routes, node.topology, clock);
    const { connect } = environmentOf({ process, network, fullDuplex: true });
    forwardingRoutes(routes, { source: node.topology, connections: connect(), clock });
    network.listen(process, {
      countMisplaced: () => Promise.reject(new Error("this is a router")),
      transferLeadership: () => Promise.reject(new Error("this is a router")),
      position: () => {
        throw new Error("this is a router");
      },
      reportSilence: (report) => node.reportSilence(report),
      routes,
    });
    await node.join(addressOf(`${this.name}:1926`));
  }
}
