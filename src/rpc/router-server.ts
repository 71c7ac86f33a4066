import { isMaster, keepRegistered } from "../cluster/keep-registered.ts";
import { lead } from "../cluster/master.ts";
import { routerClaim } from "../cluster/registration.ts";
import { keepSessions } from "../cluster/sessions.ts";
import { watchTopology } from "../cluster/topology.ts";
import { forwardingRoutes } from "./forwarding-service.ts";
import { peerOver } from "./peer-client.ts";
import { routerRoutes } from "./router-service.ts";
import { addressOf, failure, listenFor, messageBytesMax, type Server, type ServerOptions } from "./server.ts";
import { createTransports } from "./transport.ts";

export interface RouterServerOptions extends ServerOptions {
  /** Given to the ring if this router, as master, is the one that makes it. */
  readonly virtualNodes: number;
}

/** Runs a router. It announces itself once it knows the cluster, so that it can answer whoever finds it. */
export async function startRouterServer(options: RouterServerOptions): Promise<Server> {
  const { host, openSession, access, clock, valueBytesMax, virtualNodes, log } = options;
  const { failed, fail } = failure();
  const transports = createTransports({ messageBytesMax: messageBytesMax(valueBytesMax) });
  const sessions = keepSessions({ open: openSession, clock, onTrouble: log });
  const topology = watchTopology({ sessions, clock, onTrouble: log });
  const health = {
    serving: () => topology.current !== undefined,
    onChange: (listener: () => void) => topology.onChange(listener),
  };
  const listener = await listenFor(options, health, (router) => {
    routerRoutes(router, topology, clock);
    forwardingRoutes(router, topology, (address) => transports.transportTo(address), clock);
  }).catch(async (error: unknown) => {
    await sessions.stop();
    throw error;
  });

  const address = addressOf(host, listener.port);
  let office = new AbortController();
  const claim = routerClaim(address);
  keepRegistered({
    sessions,
    clock,
    access,
    onTrouble: log,
    async claim(task) {
      await topology.waitUntil(() => true, task.signal);
      return await claim(task);
    },
    onChange(registration) {
      office.abort(new Error("no longer master"));
      if (registration === undefined) return;
      office = new AbortController();
      const peerAt = (peer: string) => peerOver(transports.transportTo(peer));
      if (!isMaster(registration)) {
        log(`registered as router ${registration.number}`);
        return;
      }
      log("registered as router 0: the master");
      const master = { topology, clock, access, peerAt, virtualNodes, log };
      lead(master, registration.session, office.signal).catch(fail);
    },
  });
  sessions.done.catch(fail);
  log(`router listening on ${address}`);

  return {
    address,
    failed,
    async stop() {
      await listener.close();
      office.abort(new Error("the router is stopping"));
      await sessions.stop();
      transports.close();
    },
  };
}
