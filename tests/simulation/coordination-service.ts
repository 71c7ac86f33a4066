import type { Coordination, WatchEvent, Watcher } from "../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import type { Network } from "./network.ts";
import { Pipe } from "./pipe.ts";
import type { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
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
    service: CoordinationService,
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
      service.receive(this, message),
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

/** What becomes of an operation that reaches the service, besides being done. */
export type OperationFault = "request lost" | "answer lost" | undefined;

/** The embedded service behind a network: clients reach it late, lose it, and are forgotten when it hears nothing. */
export class CoordinationService {
  readonly sessionTimeoutMs: number;
  /** Is asked for each operation that arrives. */
  onOperation: (process: SimProcess, operation: Operation) => OperationFault = () => undefined;
  /** Is told each operation that was done. */
  onDone: (process: SimProcess, operation: Operation, outcome: Outcome) => void = () => {};
  onExpired: (owner: string) => void = () => {};
  readonly #embedded: EmbeddedCoordination;
  readonly #network: Network<unknown>;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #sessions = new Set<ServerSession>();
  /** While the service has no leader, no session expires. */
  #isOut = false;

  private constructor(
    seed: number,
    embedded: EmbeddedCoordination,
    network: Network<unknown>,
    scheduler: Scheduler,
    sessionTimeoutMs: number,
  ) {
    this.#embedded = embedded;
    this.#network = network;
    this.#scheduler = scheduler;
    this.#random = new Random(`${seed} coordination`);
    this.sessionTimeoutMs = sessionTimeoutMs;
  }

  static async start(
    seed: number,
    network: Network<unknown>,
    scheduler: Scheduler,
    sessionTimeoutMs: number,
  ): Promise<CoordinationService> {
    const clock = {
      monotonicMs: () => scheduler.nowMs,
      wallMs: () => scheduler.nowMs,
      timer: (delayMs: number, callback: () => void) => scheduler.after(delayMs, serviceName, callback),
      random: () => 0,
    };
    const embedded = await EmbeddedCoordination.start({ clock });
    return new CoordinationService(seed, embedded, network, scheduler, sessionTimeoutMs);
  }

  connect(process: SimProcess, user: ConnectionUser): Connection {
    return new Connection(this, this.#network, this.#scheduler, process, user);
  }

  receive(connection: Connection, message: ToServer): void {
    const { session } = connection;
    if (message.kind === "open") void this.#open(connection);
    else if (message.kind === "attach") this.#attach(connection, message.session);
    // After a move to another connection the old one counts no more.
    if (session === undefined || session.connection !== connection || session.isOver) return;
    session.heardMs = this.#scheduler.nowMs;
    switch (message.kind) {
      case "ping":
        connection.toClient.send({ kind: "pong" });
        break;
      case "close":
        this.#end(session);
        connection.toClient.send({ kind: "closed" });
        break;
      case "operation":
        this.#perform(session, connection, message.id, message.operation);
    }
  }

  /** The client gives its connection up. */
  abandon(connection: Connection): void {
    this.#break(connection);
  }

  /** Breaks the connections of a process, or of all. What is on its way to the service may still get there. */
  breakConnections(owner?: string): void {
    for (const session of this.#sessions) {
      if (owner !== undefined && session.owner !== owner) continue;
      if (session.connection !== undefined) this.#break(session.connection);
    }
  }

  /** Ends the sessions of a process as if their time had run out. Returns how many. */
  expire(owner: string): number {
    const sessions = [...this.#sessions].filter((session) => session.owner === owner);
    for (const session of sessions) this.#expire(session);
    return sessions.length;
  }

  beginOutage(): void {
    this.#isOut = true;
  }

  endOutage(): void {
    this.#isOut = false;
    // A new leader gives all sessions their whole time again.
    for (const session of this.#sessions) session.heardMs = this.#scheduler.nowMs;
  }

  async #open(connection: Connection): Promise<void> {
    const embedded = await this.#embedded.opener()();
    const session: ServerSession = {
      embedded,
      owner: connection.process.name,
      connection,
      missed: [],
      heardMs: this.#scheduler.nowMs,
      isOver: false,
      watcher: (event, path) => this.#tell(session, { kind: "watch", event, path }),
    };
    this.#sessions.add(session);
    connection.session = session;
    this.#watchSilence(session);
    connection.toClient.send({ kind: "attached", session });
  }

  #attach(connection: Connection, session: ServerSession): void {
    if (session.isOver) {
      connection.toClient.send({ kind: "expired" });
      return;
    }
    if (session.connection !== undefined) this.#break(session.connection);
    session.connection = connection;
    connection.session = session;
    session.heardMs = this.#scheduler.nowMs;
    connection.toClient.send({ kind: "attached", session });
    for (const message of session.missed.splice(0)) connection.toClient.send(message);
  }

  #perform(session: ServerSession, connection: Connection, id: number, operation: Operation): void {
    const { process } = connection;
    const fault = this.onOperation(process, operation);
    if (fault === "request lost") {
      this.#break(connection);
      return;
    }
    this.#do(session, process, operation, (outcome) => {
      if (fault === "answer lost") this.#break(connection);
      else if (session.connection === connection) connection.toClient.send({ kind: "answer", id, outcome });
    });
  }

  #do(
    session: ServerSession,
    process: SimProcess,
    operation: Operation,
    onEnd: (outcome: Outcome) => void,
  ): void {
    const end = (outcome: Outcome) => {
      this.onDone(process, operation, outcome);
      onEnd(outcome);
    };
    operation.perform(session.embedded, session.watcher).then(
      (value) => end({ value }),
      (error) => end({ error }),
    );
  }

  #tell(session: ServerSession, message: ToClient): void {
    if (session.isOver) return;
    if (session.connection === undefined) session.missed.push(message);
    else session.connection.toClient.send(message);
  }

  #break(connection: Connection): void {
    if (!connection.isOpen) return;
    const { session, process, user } = connection;
    const { toClient, toServer } = connection.close();
    if (session?.connection === connection) {
      session.connection = undefined;
      session.missed.push(...toClient.filter((message) => message.kind === "watch"));
      if (this.#random.chance(0.5)) this.#performLate(session, process, toServer);
    }
    process.deliver(0, "connection broken", () => user.onBroken());
  }

  /** What was sent before a connection broke may still be done, until the session has another connection. */
  #performLate(session: ServerSession, process: SimProcess, messages: readonly ToServer[]): void {
    let delayMs = 0;
    for (const message of messages) {
      if (message.kind !== "operation") continue;
      delayMs += this.#random.between(0, 20);
      this.#scheduler.after(delayMs, serviceName, () => {
        if (session.isOver || session.connection !== undefined) return;
        this.#do(session, process, message.operation, () => {});
      });
    }
  }

  #watchSilence(session: ServerSession): void {
    const check = () => {
      if (session.isOver) return;
      const leftMs = session.heardMs + this.sessionTimeoutMs - this.#scheduler.nowMs;
      if (leftMs <= 0 && !this.#isOut) this.#expire(session);
      else this.#scheduler.after(Math.max(leftMs, 50), serviceName, check);
    };
    check();
  }

  #expire(session: ServerSession): void {
    if (session.isOver) return;
    this.onExpired(session.owner);
    this.#end(session);
    if (session.connection !== undefined) this.#break(session.connection);
  }

  #end(session: ServerSession): void {
    session.isOver = true;
    this.#sessions.delete(session);
    this.#embedded.expire(session.embedded);
  }
}
