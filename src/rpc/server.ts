import type { ConnectRouter } from "@connectrpc/connect";
import type { Clock } from "../cluster/clock.ts";
import type { Access, OpenSession } from "../coordination/coordination.ts";
import { addHealth, type Health } from "./health.ts";
import { type Listener, listen } from "./listener.ts";
import { addReflection } from "./reflection.ts";

/** What every server of a cluster is given. */
export interface ServerOptions {
  /** Address to listen on. */
  readonly host: string;
  readonly port: number;
  /** `host:port` where the others reach the server, if that is not where it listens. */
  readonly announce?: string | undefined;
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

/** Listens for the services of `routes`, and for the health and reflection services that every server has. */
export function listenFor(
  options: ServerOptions,
  health: Health,
  routes: (router: ConnectRouter) => void,
): Promise<Listener> {
  const { host, port, log, valueBytesMax } = options;
  return listen({
    host,
    port,
    log,
    messageBytesMax: messageBytesMax(valueBytesMax),
    routes(router) {
      routes(router);
      addHealth(router, health);
      addReflection(router);
    },
  });
}

/** Room for the largest value in JSON, where bytes take a third more, and for the keys of a batch. */
function messageBytesMax(valueBytesMax: number): number {
  return Math.ceil(valueBytesMax * 1.34) + 2 * 1024 * 1024;
}

/** `host:port`, with brackets around IPv6, as in URLs. */
export function addressOf(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A promise that only rejects, and the function that makes it do so. */
export function failure(): { failed: Promise<never>; fail: (error: unknown) => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {}); // Who runs the server may look later.
  return { failed: promise, fail: reject };
}
