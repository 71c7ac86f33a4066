import type { Watcher } from "../../../src/coordination/coordination.ts";
import type { Caller, Change, Tree } from "../../../src/coordination/embedded/tree.ts";
import type { WatchKind, WatchTable, ZnodeEvent } from "../../../src/coordination/watches.ts";
import type { CoordinationMember } from "./coordination-member.ts";
import type { Network } from "./network.ts";
import { Pipe } from "./pipe.ts";
import type { SimProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

/** Name of the service in the network. */
export const serviceName = "zk";

/** What an operation has found or done. */
export interface Done {
  readonly value: unknown;
  readonly change?: Change;
  /** How what was read is to be watched; absent if it is not. */
  readonly watch?: WatchKind;
}

/** What a client asks of the service. */
export interface Operation {
  readonly name: "create" | "get" | "exists" | "children" | "set" | "delete" | "sync";
  readonly path: string;
  readonly data?: Uint8Array;
  /** Errors: those of the tree. */
  perform(tree: Tree, caller: Caller): Done;
}

/** How an operation ended on the server. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

export type ToClient =
  /** `zxid`: the last transaction that the answering member knew of. */
  | { readonly kind: "answer"; readonly id: number; readonly zxid: number; readonly outcome: Outcome }
  | { readonly kind: "watch"; readonly event: ZnodeEvent; readonly path: string }
  | { readonly kind: "pong" }
  /** The end of an attempt to connect. */
  | { readonly kind: "attached"; readonly session: ServerSession }
  | { readonly kind: "expired" }
  | { readonly kind: "closed" };

export type ToServer =
  | { readonly kind: "open" }
  /** The session goes on over this connection: the last transaction that its client knows of, and what it watches. */
  | {
      readonly kind: "attach";
      readonly session: ServerSession;
      readonly seenZxid: number;
      readonly watched: readonly (readonly [kind: WatchKind, path: string])[];
    }
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
  /** Of the service, which answers over it. */
  readonly member: CoordinationMember<ServerSession>;
  readonly toServer: Pipe<ToServer>;
  readonly toClient: Pipe<ToClient>;
  isOpen = true;
  session: ServerSession | undefined;
  /** Operations are answered one after another. */
  turn: Promise<void> = Promise.resolve();

  constructor(options: {
    readonly onMessage: (connection: Connection, message: ToServer) => void;
    readonly network: Network<unknown>;
    readonly scheduler: Scheduler;
    readonly process: SimProcess;
    readonly user: ConnectionUser;
    readonly member: CoordinationMember<ServerSession>;
  }) {
    const { onMessage, network, scheduler, process, user, member } = options;
    this.process = process;
    this.user = user;
    this.member = member;
    const link = (from: string, to: string) => ({
      latencyMs: () => network.latencyMs(from, to),
      isCut: () => network.isCut(from, to),
    });
    const { name } = process;
    this.toServer = new Pipe(scheduler, `${name}>${serviceName}`, link(name, serviceName), (message) =>
      onMessage(this, message),
    );
    this.toClient = new Pipe(scheduler, `${serviceName}>${name}`, link(serviceName, name), (message) => {
      process.receive("from zk", () => {
        if (this.isOpen) user.onMessage(message);
      });
    });
  }

  /** Returns what the service has not seen. */
  close(): ToServer[] {
    this.isOpen = false;
    this.toClient.close();
    return this.toServer.close();
  }
}

/** A session as the service has it. */
export interface ServerSession {
  readonly caller: Caller;
  readonly owner: string;
  connection: Connection | undefined;
  heardMs: number;
  isOver: boolean;
  /** Known to the member that it is connected to. */
  watches: WatchTable;
  /** One function for all watches, so that the service tells once what concerns several of them. */
  readonly watcher: Watcher;
}
