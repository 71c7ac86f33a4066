import { randomUUID } from "node:crypto";
import { dirname } from "node:path";
import { createTransports } from "../client/transport/http2.ts";
import { DataNode } from "../cluster/node/data-node.ts";
import type { ReplicationSettings } from "../cluster/replication/settings.ts";
import { nodeDisk } from "../cluster/storage/disk/node-disk.ts";
import type { LogStore } from "../cluster/storage/log-store.ts";
import { openLog } from "../cluster/storage/open.ts";
import { joinHostPort } from "../common/address.ts";
import { withTimeout } from "../common/clock.ts";
import { messageBytesLimit } from "../common/key-limits.ts";
import { askingFor } from "../rpc/internal/instance-service.ts";
import { moveRoutes } from "../rpc/internal/move-service.ts";
import { peerOver } from "../rpc/internal/peer-client.ts";
import { replicationRoutes } from "../rpc/internal/replication-service.ts";
import { dataRoutes } from "../rpc/kv/data-service.ts";
import { runNodeAgent } from "./node-agent.ts";
import { announcedBy, failure, listenFor, type Server, type ServerOptions } from "./server.ts";

export interface DataServerOptions extends ServerOptions {
  readonly group: string;
  readonly dbfile: string;
  readonly rbfile: string;
  /** Bytes of the latest records that compaction leaves as they are. Default 0. */
  readonly historyBytes?: number;
  readonly replication: ReplicationSettings;
}

/** Longest wait for the last writes of a server that stops. */
const closeTimeoutMs = 5000;

/** `dbfile` is the log of another group. */
export class ForeignLog extends Error {
  override readonly name = "ForeignLog";
}

/** Starts a data node: opens its log, then its port, then joins the cluster. */
export async function startDataServer(options: DataServerOptions): Promise<Server> {
  const { host, replication, log, clock } = options;
  const { failed, fail } = failure();
  const instance = randomUUID();
  let node: DataNode | undefined;
  const onFatal = (error: Error) => {
    // At once, before the calls in flight are drained, so that another node takes over now.
    void node?.leave(true);
    fail(error);
  };
  const store = await openLog({ ...options, disk: nodeDisk, onFatal });
  const transports = createTransports({ messageBytesMax: messageBytesLimit });
  const leave = async () => {
    await node?.leave();
    transports.close();
    // A hanging disk may never answer. A restart does not depend on closing.
    await withTimeout(clock, closeTimeoutMs, new AbortController().signal, () => store.close()).catch(
      () => {},
    );
  };
  try {
    checkLog(options, store);
    const made = new DataNode({
      ...options,
      store,
      settings: replication,
      peerAt: (address) =>
        peerOver({ transport: transports.transportTo(address), openDuplex: transports.duplexTo(address) }),
      whoAnswers: askingFor(instance),
      onFailure: fail,
    });
    node = made;
    const health = {
      serving: () => made.registered && made.topology.current !== undefined,
      onChange(listener: () => void) {
        const stops = [made.topology.onChange(listener), made.onRegistered(listener)];
        return () => {
          for (const stop of stops) stop();
        };
      },
    };
    const listener = await listenFor(options, instance, health, (router) => {
      dataRoutes(router, made, options.clock);
      replicationRoutes(router, made.peers);
      moveRoutes(router, made.peers);
    });
    const address = joinHostPort(host, listener.port);
    const announced = announcedBy(options, listener.port);
    log(`listening on ${address}${announced === address ? "" : `, announced as ${announced}`}`);
    const folder = dirname(options.dbfile);
    runNodeAgent(options, made.sessions, { role: "data", name: options.group, address: announced, folder });
    return {
      address,
      joined: made.join(announced),
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

function checkLog({ group, dbfile, log }: DataServerOptions, { identity, condition }: LogStore): void {
  if (identity !== undefined && identity.group !== group) {
    throw new ForeignLog(
      `dbfile ${dbfile}: the log of group "${identity.group}"; allowed is a log of group "${group}" (name), or none`,
    );
  }
  if (condition.kind === "damaged") {
    log(
      `${dbfile}: damaged at line ${condition.line} (${condition.reason}); it needs a snapshot from the primary`,
    );
  }
}
