import { CoordinationError } from "../../../src/coordination/coordination.ts";
import { missedEvents } from "../../../src/coordination/embedded/missed-events.ts";
import { Tree } from "../../../src/coordination/embedded/tree.ts";
import { WatchTable } from "../../../src/coordination/watches.ts";
import {
  Connection,
  type ConnectionUser,
  type Operation,
  type Outcome,
  type ServerSession,
  serviceName,
  type ToServer,
} from "./coordination-connection.ts";
import { CoordinationMember, type Step } from "./coordination-member.ts";
import { attempt, isRead } from "./coordination-operations.ts";
import type { Network } from "./network.ts";
import type { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/** What becomes of an operation that reaches the service, besides being done. */
export type OperationFault = "request lost" | "answer lost" | undefined;

const memberCount = 3;

/**
 * An ensemble with the semantics of ZooKeeper, behind a network: clients reach it late, lose it, and are forgotten when
 * it hears nothing. Its leader makes all changes; its members, to which the clients are connected, learn of them later.
 */
export class CoordinationService {
  readonly sessionTimeoutMs: number;
  readonly members: readonly CoordinationMember<ServerSession>[];
  /** Is asked for each operation that arrives. */
  onOperation: (process: SimProcess, operation: Operation) => OperationFault = () => undefined;
  /** Is told each change that was tried, when the leader has tried it. */
  onDone: (process: SimProcess, operation: Operation, outcome: Outcome) => void = () => {};
  readonly #leader = new Tree();
  readonly #network: Network<unknown>;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #sessions = new Set<ServerSession>();
  #sessionsOpened = 0;
  /** While the service has no leader, no session expires. */
  #isOut = false;

  constructor(seed: number, network: Network<unknown>, scheduler: Scheduler, sessionTimeoutMs: number) {
    this.#network = network;
    this.#scheduler = scheduler;
    this.#random = new Random(`${seed} coordination`);
    this.sessionTimeoutMs = sessionTimeoutMs;
    this.members = Array.from({ length: memberCount }, (_, index) => this.#startMember(seed, index + 1));
  }

  #startMember(seed: number, number: number): CoordinationMember<ServerSession> {
    const random = new Random(`${seed} coordination ${number}`);
    const name = `${serviceName} ${number}`;
    const member = new CoordinationMember<ServerSession>(name, this.#scheduler, random, {
      onZnode: (event, path) => {
        for (const session of this.#sessions) {
          if (session.connection?.member === member) session.watches.fire(event, path);
        }
      },
      onEnded: ({ connection }) => {
        if (connection?.member === member) this.#break(connection);
      },
    });
    return member;
  }

  connect(process: SimProcess, user: ConnectionUser): Connection {
    return new Connection({
      onMessage: (from, message) => this.#receive(from, message),
      network: this.#network,
      scheduler: this.#scheduler,
      process,
      user,
      member: this.#random.pick(this.members),
    });
  }

  #receive(connection: Connection, message: ToServer): void {
    if (message.kind === "open") this.#open(connection);
    else if (message.kind === "attach") this.#attach(connection, message);
    const { session } = connection;
    // After a move to another connection the old one counts no more.
    if (session === undefined || session.connection !== connection) return;
    session.heardMs = this.#scheduler.nowMs;
    switch (message.kind) {
      case "ping":
        connection.toClient.send({ kind: "pong" });
        break;
      case "close":
        connection.toClient.send({ kind: "closed" });
        session.connection = undefined;
        this.#end(session);
        break;
      case "operation":
        this.#perform(session, connection, message.id, message.operation);
    }
  }

  /** The client gives its connection up. */
  abandon(connection: Connection): void {
    this.#break(connection);
  }

  /** Breaks the connections of all processes. What is on its way to the service may still get there. */
  breakConnections(): void {
    for (const { connection } of this.#sessions) if (connection !== undefined) this.#break(connection);
  }

  /** Ends the sessions of a process as if their time had run out. Returns how many. */
  expire(owner: string): number {
    const sessions = [...this.#sessions].filter((session) => session.owner === owner && !session.isOver);
    for (const session of sessions) this.#end(session);
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

  #open(connection: Connection): void {
    const session: ServerSession = {
      caller: { session: String(++this.#sessionsOpened), identity: undefined },
      owner: connection.process.name,
      connection,
      heardMs: this.#scheduler.nowMs,
      isOver: false,
      watches: new WatchTable(),
      watcher: (event, path) => {
        if (event !== "session-lost") session.connection?.toClient.send({ kind: "watch", event, path });
      },
    };
    this.#sessions.add(session);
    connection.session = session;
    this.#watchSilence(session);
    // To open a session is a transaction, too.
    void connection.member
      .until(this.#leader.zxid)
      .then(() => connection.toClient.send({ kind: "attached", session }));
  }

  #attach(connection: Connection, { session, seenZxid, watched }: ToServer & { kind: "attach" }): void {
    const { tree } = connection.member;
    if (session.isOver) {
      connection.toClient.send({ kind: "expired" });
      return;
    }
    // A client never sees an older state than it has seen.
    if (tree.zxid < seenZxid) {
      this.#break(connection);
      return;
    }
    if (session.connection !== undefined) this.#break(session.connection);
    session.connection = connection;
    connection.session = session;
    connection.toClient.send({ kind: "attached", session });
    for (const [kind, path] of watched) session.watches.add(kind, path, session.watcher);
    const missed = missedEvents(session.watches, (path) => tree.find(path), seenZxid);
    for (const [event, path] of missed) session.watches.fire(event, path);
  }

  /** The leader is asked for changes at once; the answer waits for the member to know of all that was done before. */
  #perform(session: ServerSession, connection: Connection, id: number, operation: Operation): void {
    const { process, member } = connection;
    const fault = this.onOperation(process, operation);
    if (fault === "request lost") {
      this.#break(connection);
      return;
    }
    const changed = isRead(operation) ? undefined : this.#change(session, process, operation);
    const { zxid } = this.#leader;
    connection.turn = connection.turn.then(async () => {
      if (changed !== undefined) await member.until(zxid);
      if (session.connection !== connection) return;
      if (fault === "answer lost") return this.#break(connection);
      const outcome = changed ?? this.#read(session, member, operation);
      connection.toClient.send({ kind: "answer", id, zxid: member.tree.zxid, outcome });
    });
  }

  /** The change that has created a znode, as the leader knows it. */
  czxid(path: string): string | undefined {
    return this.#leader.find(path)?.czxid.toString();
  }

  #change(session: ServerSession, process: SimProcess, operation: Operation): Outcome {
    const outcome = attempt(() => {
      if (session.isOver) throw new CoordinationError("SESSION_EXPIRED", "the session has expired");
      const { value, change } = operation.perform(this.#leader, session.caller);
      if (change !== undefined) this.#publish({ changes: [change] });
      return value;
    });
    this.onDone(process, operation, outcome);
    return outcome;
  }

  #read(session: ServerSession, { tree }: CoordinationMember<ServerSession>, operation: Operation): Outcome {
    return attempt(() => {
      const { value, watch } = operation.perform(tree, session.caller);
      if (watch !== undefined) session.watches.add(watch, operation.path, session.watcher);
      return value;
    });
  }

  #publish(step: Step<ServerSession>): void {
    for (const member of this.members) member.follow(step);
  }

  #break(connection: Connection): void {
    if (!connection.isOpen) return;
    const { session, process, user } = connection;
    const unseen = connection.close();
    if (session?.connection === connection) {
      session.connection = undefined;
      session.watches = new WatchTable();
      if (session.isOver) this.#sessions.delete(session);
      if (this.#random.chance(0.5)) this.#performLate(session, process, unseen);
    }
    process.deliver(0, "connection broken", () => user.onBroken());
  }

  /** What was sent before a connection broke may still be done, until the session has another connection. */
  #performLate(session: ServerSession, process: SimProcess, messages: readonly ToServer[]): void {
    let delayMs = 0;
    for (const message of messages) {
      if (message.kind !== "operation" || isRead(message.operation)) continue;
      delayMs += this.#random.between(0, 20);
      this.#scheduler.after(delayMs, serviceName, () => {
        if (session.isOver || session.connection !== undefined) return;
        this.#change(session, process, message.operation);
      });
    }
  }

  #watchSilence(session: ServerSession): void {
    const check = () => {
      if (session.isOver) return;
      const leftMs = session.heardMs + this.sessionTimeoutMs - this.#scheduler.nowMs;
      if (leftMs <= 0 && !this.#isOut) this.#end(session);
      else this.#scheduler.after(Math.max(leftMs, 50), serviceName, check);
    };
    check();
  }

  /** Whoever is connected learns of it when the member does. */
  #end(session: ServerSession): void {
    if (session.isOver) return;
    session.isOver = true;
    if (session.connection === undefined) this.#sessions.delete(session);
    this.#publish({ changes: this.#leader.endSession(session.caller.session), ended: session });
  }
}
