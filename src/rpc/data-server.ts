import { DataNode } from "../cluster/data-node.ts";
import { keepRegistered } from "../cluster/keep-registered.ts";
import { nodeDisk } from "../cluster/log/node-disk.ts";
import { openLog } from "../cluster/log/open-log.ts";
import type { LogStore } from "../cluster/log-store.ts";
import { dataNodeClaim } from "../cluster/registration.ts";
import type { ReplicationSettings } from "../cluster/replication/settings.ts";
import { keepSessions } from "../cluster/sessions.ts";
import { watchTopology } from "../cluster/topology.ts";
import { dataRoutes } from "./data-service.ts";
import { peerOver } from "./peer-client.ts";
import { replicationRoutes } from "./replication-service.ts";
import { addressOf, failure, listenFor, messageBytesMax, type Server, type ServerOptions } from "./server.ts";
import { createTransports } from "./transport.ts";

export interface DataServerOptions extends ServerOptions {
  readonly group: string;
  readonly dbfile: string;
  readonly rbfile: string;
  readonly replication: ReplicationSettings;
}

/** Another group's log, or one that the node must not serve from as things stand. */
export class LogRefused extends Error {
  override readonly name = "LogRefused";
}

/** Runs a data node: first its log, then its port, then its place in the cluster. */
export async function startDataServer(options: DataServerOptions): Promise<Server> {
  const { failed, fail } = failure();
  const store = await openLog({ ...options, disk: nodeDisk, onFatal: fail });
  try {
    checkLog(options, store);
    return await startWithLog(options, store, failed, fail);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function startWithLog(
  options: DataServerOptions,
  store: LogStore,
  failed: Promise<never>,
  fail: (error: unknown) => void,
): Promise<Server> {
  const { group, host, port, openSession, access, clock, replication, valueBytesMax, log } = options;
  const transports = createTransports({ messageBytesMax: messageBytesMax(valueBytesMax) });
  const sessions = keepSessions({ open: openSession, clock, onTrouble: log });
  const topology = watchTopology({ sessions, clock, onTrouble: log });
  const node = new DataNode({
    group,
    store,
    sessions,
    topology,
    clock,
    access,
    settings: replication,
    valueBytesMax,
    peerAt: (address) => peerOver(transports.transportTo(address)),
    log,
  });
  const leave = async () => {
    await sessions.stop();
    node.stop();
    transports.close();
  };

  let registered = false;
  const health = {
    serving: () => registered && topology.current !== undefined,
    onChange: (listener: () => void) => topology.onChange(listener),
  };
  const listener = await listenFor(options, health, (router) => {
    dataRoutes(router, node);
    replicationRoutes(router, node);
  }).catch(async (error: unknown) => {
    await leave();
    throw error;
  });

  const address = addressOf(host, listener.port);
  let life = new AbortController();
  keepRegistered({
    sessions,
    clock,
    access,
    claim: dataNodeClaim({ group, address, number: store.identity?.number }),
    onTrouble: log,
    onChange(registration) {
      life.abort(new Error("the registration is over"));
      registered = registration !== undefined;
      if (registration === undefined) return;
      life = new AbortController();
      log(`registered as node ${registration.number} of group "${group}"`);
      const { number, incarnation } = registration;
      node.registered({ number, incarnation }, life.signal).catch(fail);
    },
  });
  sessions.done.catch(fail);
  log(`data node of group "${group}" listening on ${address}${port === 0 ? " (a free port)" : ""}`);

  return {
    address,
    failed,
    async stop() {
      await listener.close();
      await leave();
      await store.close();
    },
  };
}

function checkLog({ group, dbfile, log }: DataServerOptions, { identity, condition }: LogStore): void {
  if (identity !== undefined && identity.group !== group) {
    throw new LogRefused(
      `dbfile ${dbfile}: the log of group "${identity.group}"; allowed is a log of group "${group}" (name), or none`,
    );
  }
  if (condition.kind === "torn") {
    log(
      `${dbfile}: an unfinished record at line ${condition.line} was cut off (${condition.bytesCut} bytes)`,
    );
  } else if (condition.kind === "damaged") {
    log(
      `${dbfile}: damaged at line ${condition.line} (${condition.reason}): a copy of the primary's is needed`,
    );
  }
}
