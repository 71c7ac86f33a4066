import type { ConnectRouter } from "@connectrpc/connect";
import { type Address, joinHostPort, parseAddress } from "../common/address.ts";
import type { Clock } from "../common/clock.ts";
import type { Access, OpenSession } from "../coordination/coordination.ts";
import { addHealth, type Health } from "../rpc/health.ts";
import { instanceRoutes } from "../rpc/internal/instance-service.ts";
import { type Listener, listen } from "../rpc/port/listener.ts";
import { addReflection } from "../rpc/reflection.ts";

/** What every server of a cluster is given. */
export interface ServerOptions {
  /** Address to listen on. */
  readonly host: string;
  readonly port: number;
  /** What an error calls the port. Default: the setting serverport, with the port. */
  readonly portLabel?: string;
  /** Where the others reach the server. Default: where it listens, which must be an address for others then. */
  readonly announce?: Address;
  readonly openSession: OpenSession;
  /** Of the znodes that the server makes. */
  readonly access: Access;
  readonly clock: Clock;
  /** Largest value that a put may bring. */
  readonly valueBytesMax: number;
  /** Told, in one line, what an operator wants to know. */
  readonly log: (message: string) => void;
}

/** A server that runs. */
export interface Server {
  /** `host:port` where it listens. */
  readonly address: string;
  /** Resolves when the server has its place in the cluster for the first time. */
  readonly joined: Promise<void>;
  /** Rejects when the server cannot go on: the process should end with this error. Never resolves. */
  readonly failed: Promise<never>;
  /** Takes no new work, lets calls under way finish, and leaves the cluster at once. */
  stop(): Promise<void>;
}

/** Listens for the services of `routes`, and for those that every server has. */
export function listenFor(
  options: ServerOptions,
  instance: string,
  health: Health,
  routes: (router: ConnectRouter) => void,
): Promise<Listener> {
  const { host, port, portLabel, log, valueBytesMax } = options;
  return listen({
    host,
    port,
    ...(portLabel === undefined ? {} : { portLabel }),
    log,
    messageBytesMax: messageBytesMax(valueBytesMax),
    routes(router) {
      routes(router);
      instanceRoutes(router, instance);
      addHealth(router, health);
      addReflection(router);
    },
  });
}

/** Room for the largest value in JSON, where bytes take a third more, and for the keys of a batch. */
function messageBytesMax(valueBytesMax: number): number {
  return Math.ceil(valueBytesMax * 1.34) + 2 * 1024 * 1024;
}

/** Where others reach a server that listens on this port. */
export function announcedBy({ announce, host }: ServerOptions, port: number): Address {
  const address = announce ?? parseAddress(joinHostPort(host, port));
  if (address === undefined) throw new Error(`${host} is no address for others, and no other is announced`);
  return address;
}

/** A promise that only rejects, and the function that makes it do so. */
export function failure(): { failed: Promise<never>; fail: (error: unknown) => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {}); // Who runs the server may look later.
  return { failed: promise, fail: reject };
}
