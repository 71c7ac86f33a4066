import type { Coordination, WatchEvent, Watcher } from "../../src/coordination/coordination.ts";
import type { Network } from "./network.ts";
import { Pipe } from "./pipe.ts";
import type { SimProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

/** Name of the service in the network. */
export const serviceName = "zk";

/** What a client asks of the service. */
export interface Operation {
  readonly name: "create" | "get" | "exists" | "children" | "set" | "delete" | "sync";
  readonly path: string;
  readonly data?: Uint8Array;
  perform(session: Coordination, watcher: Watcher): Promise<unknown>;
}

/** How an operation ended on the server. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

export type ToClient =
  | { readonly kind: "answer"; readonly id: number; readonly outcome: Outcome }
  | { readonly kind: "watch"; readonly event: WatchEvent; readonly path: string }
  | { readonly kind: "pong" }
  /** The end of an attempt to connect. */
  | { readonly kind: "attached"; readonly session: ServerSession }
  | { readonly kind: "expired" }
  | { readonly kind: "closed" };

export type ToServer =
  | { readonly kind: "open" }
  | { readonly kind: "attach"; readonly session: ServerSession }
  | { readonly kind: "operation"; readonly id: number; readonly operation: Operation }
  | { readonly kind: "ping" }
  | { readonly kind: "close" };

/** The client's end of a connection. */
export interface ConnectionUser {
  onMessage(message: ToClient): void;
  /** The connection is gone. */
  onBroken(): void;
}

/** A connection of a process to the service. */
export class Connection {
  readonly process: SimProcess;
  readonly user: ConnectionUser;
  readonly toServer: Pipe<ToServer>;
  readonly toClient: Pipe<ToClient>;
  isOpen = true;
  session: ServerSession | undefined;
  /** Arrived at a process that is paused. */
  readonly #arrived: ToClient[] = [];

  constructor(
    onMessage: (connection: Connection, message: ToServer) => void,
    network: Network<unknown>,
    scheduler: Scheduler,
    process: SimProcess,
    user: ConnectionUser,
  ) {
    this.process = process;
    this.user = user;
    const link = (from: string, to: string) => ({
      latencyMs: () => network.latencyMs(from, to),
      isCut: () => network.isCut(from, to),
    });
    const { name } = process;
    this.toServer = new Pipe(scheduler, `${name}>${serviceName}`, link(name, serviceName), (message) =>
      onMessage(this, message),
    );
    this.toClient = new Pipe(scheduler, `${serviceName}>${name}`, link(serviceName, name), (message) => {
      this.#arrived.push(message);
      process.receive("from zk", () => {
        if (!this.isOpen) return;
        this.#arrived.shift();
        user.onMessage(message);
      });
    });
  }

  /** Returns what the client has not seen, and what the service has not. */
  close(): { toClient: ToClient[]; toServer: ToServer[] } {
    this.isOpen = false;
    return { toClient: [...this.#arrived, ...this.toClient.close()], toServer: this.toServer.close() };
  }
}

/** A session as the service has it. */
export interface ServerSession {
  readonly embedded: Coordination;
  readonly owner: string;
  connection: Connection | undefined;
  /** What happened while there was no connection, or did not arrive over the last one. */
  readonly missed: ToClient[];
  heardMs: number;
  isOver: boolean;
  /** One function for all watches, so that the service tells once what concerns several of them. */
  readonly watcher: Watcher;
}
