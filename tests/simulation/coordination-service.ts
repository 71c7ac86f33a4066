import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import {
  Connection,
  type ConnectionUser,
  type Operation,
  type Outcome,
  type ServerSession,
  serviceName,
  type ToClient,
  type ToServer,
} from "./coordination-connection.ts";
import type { Network } from "./network.ts";
import type { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

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
    return new Connection(
      (from, message) => this.#receive(from, message),
      this.#network,
      this.#scheduler,
      process,
      user,
    );
  }

  #receive(connection: Connection, message: ToServer): void {
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
