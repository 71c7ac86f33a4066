import type { ConnectRouter } from "@connectrpc/connect";
import type { Address } from "../common/address.ts";
import type { Clock } from "../common/clock.ts";
import type { Access, OpenSession } from "../coordination/coordination.ts";
import { addHealth, type Health } from "../rpc/health.ts";
import { instanceRoutes } from "../rpc/internal/instance-service.ts";
import { type Listener, listen } from "../rpc/port/listener.ts";
import { addReflection } from "../rpc/reflection.ts";
import { announcedAddress } from "../settings/announced.ts";

/** Options that every server of a cluster takes. */
export interface ServerOptions {
  /** Address to listen on. */
  readonly host: string;
  readonly port: number;
  /** Name of the port in errors. Default: the setting serverport with its value. */
  readonly portLabel?: string;
  /** The address where others reach the server. Default: see `announcedAddress`. */
  readonly announce?: Address;
  readonly openSession: OpenSession;
  /** Access mode for the znodes that this server creates. */
  readonly access: Access;
  readonly clock: Clock;
  /** Largest value that a put may have. */
  readonly valueBytesMax: number;
  /** Whether an agent of the server reports the load of the machine. Default true. */
  readonly agent?: boolean;
  /** Called with each message for the operator: one line. */
  readonly log: (message: string) => void;
}

/** A running server. */
export interface Server {
  /** `host:port` where it listens. */
  readonly address: string;
  /** Resolves when the server has joined the cluster for the first time. */
  readonly joined: Promise<void>;
  /** Rejects when the server cannot continue, with the error that should end the process. Never resolves. */
  readonly failed: Promise<never>;
  /** Stops: accepts no new calls, lets calls in flight finish, and then leaves the cluster. */
  stop(): Promise<void>;
}

/** Listens on the port for the services of `routes` and for the services that every server has. */
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

/** Enough for the largest value in JSON, where bytes are a third longer, and for the keys of a batch. */
function messageBytesMax(valueBytesMax: number): number {
  return Math.ceil(valueBytesMax * 1.34) + 2 * 1024 * 1024;
}

/** The address that a server on this port announces to others. Errors: SettingError (there is none). */
export function announcedBy({ announce, host }: ServerOptions, port: number): Address {
  return announcedAddress({ serverip: host, serverport: port, announce });
}

/** A promise that can only reject, and the function that rejects it. */
export function failure(): { failed: Promise<never>; fail: (error: unknown) => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {}); // Whoever runs the server may await it later.
  return { failed: promise, fail: reject };
}
