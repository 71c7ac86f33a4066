import { randomUUID } from "node:crypto";
import { createTransports } from "../client/transport/http2.ts";
import type { NewGroups } from "../cluster/election/ring-admission.ts";
import { RouterNode } from "../cluster/node/router-node.ts";
import { joinHostPort } from "../common/address.ts";
import { messageBytesLimit } from "../common/key-limits.ts";
import { adminRoutes } from "../rpc/admin-service.ts";
import { forwardingRoutes } from "../rpc/forwarding/forwarder.ts";
import { electionRoutes } from "../rpc/internal/election-service.ts";
import { askingFor } from "../rpc/internal/instance-service.ts";
import { peerOver } from "../rpc/internal/peer-client.ts";
import { askingReports } from "../rpc/internal/report-client.ts";
import { routerRoutes } from "../rpc/router-service.ts";
import { runNodeAgent } from "./node-agent.ts";
import { announcedBy, failure, listenFor, type Server, type ServerOptions } from "./server.ts";

export interface RouterServerOptions extends ServerOptions {
  /** Virtual nodes of the ring, if this router creates it as the master. */
  readonly virtualNodes: number;
  /** Whether new groups enter the ring by themselves, or wait for an operator. Default `enter`. */
  readonly newGroups?: NewGroups;
}

/** Starts a router: opens its port, then joins the cluster. */
export async function startRouterServer(options: RouterServerOptions): Promise<Server> {
  const { host, clock, log } = options;
  const { failed, fail } = failure();
  const instance = randomUUID();
  const transports = createTransports({ messageBytesMax: messageBytesLimit });
  // Separate sessions, so that the master's calls never wait behind calls of clients.
  const peerTransports = createTransports();
  const node = new RouterNode({
    ...options,
    peerAt: (address) =>
      peerOver({
        transport: peerTransports.transportTo(address),
        openDuplex: peerTransports.duplexTo(address),
      }),
    askReport: askingReports((address) => peerTransports.transportTo(address)),
    whoAnswers: askingFor(instance),
    onFailure: fail,
  });
  const leave = async () => {
    await node.leave();
    transports.close();
    peerTransports.close();
  };
  const health = {
    serving: () => node.topology.current !== undefined,
    onChange: (listener: () => void) => node.topology.onChange(listener),
  };
  try {
    const listener = await listenFor(options, instance, health, (router) => {
      electionRoutes(router, node);
      adminRoutes(router, node, clock);
      routerRoutes(router, node.topology, clock);
      forwardingRoutes(router, { source: node.topology, connections: transports, clock });
    });
    const address = joinHostPort(host, listener.port);
    const announced = announcedBy(options, listener.port);
    log(`listening on ${address}${announced === address ? "" : `, announced as ${announced}`}`);
    runNodeAgent(options, node.sessions, { role: "router", address: announced });
    return {
      address,
      joined: node.join(announced),
      failed,
      async stop() {
        await listener.close();
        await leave();
      },
    };
  } catch (error) {
    await leave();
    throw error;
  }
}
