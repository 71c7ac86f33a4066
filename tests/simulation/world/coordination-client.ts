import { createBackoff } from "../../../src/common/backoff.ts";
import type { Clock } from "../../../src/common/clock.ts";
import { ClientSession } from "../../../src/coordination/client-session.ts";
import type { Coordination, OpenSession, Stat, Watcher } from "../../../src/coordination/coordination.ts";
import type { WatchKind } from "../../../src/coordination/watches.ts";
import type {
  Connection,
  ConnectionUser,
  Operation,
  Outcome,
  ServerSession,
  ToClient,
} from "./coordination-connection.ts";
import {
  childrenOf,
  createOf,
  deleteOf,
  existsOf,
  getOf,
  setOf,
  watchOf,
} from "./coordination-operations.ts";
import type { CoordinationService } from "./coordination-service.ts";
import type { SimProcess } from "./process.ts";

/** How long one attempt to connect may take. */
const connectTimeoutMs = 1000;

/** How a process opens sessions with the service: as clients of ZooKeeper do, over a network. */
export function sessionOpener(service: CoordinationService, process: SimProcess): OpenSession {
  return async ({ signal } = {}) => {
    const pause = createBackoff(process.clock, 50, 1000);
    for (;;) {
      signal?.throwIfAborted();
      const client = new Client(service, process);
      if (await client.connect()) return client.session();
      await pause.wait(signal);
    }
  };
}

/** The client's side of one session. */
class Client implements ConnectionUser {
  readonly #service: CoordinationService;
  readonly #process: SimProcess;
  readonly #clock: Clock;
  readonly #state = new ClientSession();
  #connection: Connection | undefined;
  #server: ServerSession | undefined;
  /** Ends the attempt to connect that is under way. */
  #onConnected: ((isConnected: boolean) => void) | undefined;
  readonly #answers = new Map<number, (outcome: Outcome) => void>();
  #lastId = 0;
  /** The last transaction that a member has shown. */
  #seenZxid = 0;
  #heardMs = 0;
  #onClosed = () => {};

  constructor(service: CoordinationService, process: SimProcess) {
    this.#service = service;
    this.#process = process;
    this.#clock = process.clock;
  }

  /** Tries once to connect: for the first time, or anew. Returns whether it did; or the session is over. */
  connect(): Promise<boolean> {
    return new Promise((resolve) => {
      const connection = this.#service.connect(this.#process, this);
      this.#connection = connection;
      const cancel = this.#clock.timer(connectTimeoutMs, () => this.#service.abandon(connection));
      this.#onConnected = (isConnected) => {
        cancel();
        this.#onConnected = undefined;
        resolve(isConnected);
      };
      const session = this.#server;
      connection.toServer.send(
        session === undefined
          ? { kind: "open" }
          : { kind: "attach", session, seenZxid: this.#seenZxid, watched: this.#watched() },
      );
    });
  }

  onMessage(message: ToClient): void {
    this.#heardMs = this.#clock.monotonicMs();
    switch (message.kind) {
      case "attached":
        this.#server = message.session;
        this.#onConnected?.(true);
        this.#state.connected();
        break;
      case "expired":
        this.#onConnected?.(true);
        this.#state.finish("expired");
        break;
      case "closed":
        this.#onClosed();
        break;
      case "watch":
        this.#state.watches.fire(message.event, message.path);
        break;
      case "answer": {
        const answer = this.#answers.get(message.id);
        this.#answers.delete(message.id);
        this.#seenZxid = Math.max(this.#seenZxid, message.zxid);
        answer?.(message.outcome);
      }
    }
  }

  onBroken(): void {
    this.#connection = undefined;
    this.#answers.clear();
    this.#onClosed();
    if (this.#onConnected !== undefined) {
      this.#onConnected(false);
    } else if (!this.#state.over) {
      this.#state.disconnected();
      void this.#reconnect();
    }
  }

  #watched(): [WatchKind, string][] {
    const kinds: readonly WatchKind[] = ["data", "exists", "children"];
    return kinds.flatMap((kind) =>
      this.#state.watches.paths(kind).map((path): [WatchKind, string] => [kind, path]),
    );
  }

  async #reconnect(): Promise<void> {
    const pause = createBackoff(this.#clock, 20, 500);
    do await pause.wait();
    while (!this.#state.over && !(await this.connect()));
  }

  /** Pings, and gives up a connection that has been silent for two thirds of the session time-out. */
  #keepAlive(): void {
    if (this.#state.over) return;
    const { sessionTimeoutMs } = this.#service;
    const connection = this.#connection;
    if (connection !== undefined && this.#onConnected === undefined) {
      if (this.#clock.monotonicMs() - this.#heardMs > (sessionTimeoutMs * 2) / 3)
        this.#service.abandon(connection);
      else connection.toServer.send({ kind: "ping" });
    }
    this.#clock.timer(sessionTimeoutMs / 4, () => this.#keepAlive());
  }

  /** The session, once it is connected for the first time. */
  session(): Coordination {
    this.#keepAlive();
    const state = this.#state;
    const ask = <T>(
      operation: Operation,
      onAnswer: (value: T) => void = () => {},
      options: { sequential?: boolean } = {},
    ): Promise<T> =>
      state.perform<T>(
        operation.path,
        (end) => {
          const id = ++this.#lastId;
          this.#answers.set(id, (outcome) =>
            end(() => {
              if ("error" in outcome) throw outcome.error;
              // The answer to an operation is what its `perform` has found.
              const value = outcome.value as T;
              onAnswer(value);
              return value;
            }),
          );
          this.#connection?.toServer.send({ kind: "operation", id, operation });
        },
        options,
      );
    const watch = (kind: WatchKind, path: string, watcher: Watcher | undefined) => {
      if (watcher !== undefined) state.watches.add(kind, path, watcher);
    };
    return {
      get state() {
        return state.state;
      },
      onState: (listener) => state.onState(listener),
      create: (path, data, mode, access = "open") =>
        ask<string>(createOf(path, data, mode, access), undefined, {
          sequential: mode.endsWith("sequential"),
        }),
      get: (path, watcher) =>
        ask<Awaited<ReturnType<Coordination["get"]>>>(getOf(path, watcher !== undefined), () =>
          watch("data", path, watcher),
        ),
      exists: (path, watcher) =>
        ask<Stat | undefined>(existsOf(path, watcher !== undefined), (stat) =>
          watch(watchOf(stat), path, watcher),
        ),
      children: (path, watcher) =>
        ask<string[]>(childrenOf(path, watcher !== undefined), () => watch("children", path, watcher)),
      set: (path, data, version) => ask<Stat>(setOf(path, data, version)),
      delete: (path, version) => ask<void>(deleteOf(path, version)),
      sync: (path) => ask<void>({ name: "sync", path, perform: () => ({ value: undefined }) }),
      close: () => this.#close(),
    };
  }

  #close(): Promise<void> {
    const wasConnected = this.#state.state === "connected";
    this.#state.finish("closed");
    if (!wasConnected || this.#connection === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#clock.timer(connectTimeoutMs, resolve);
      this.#onClosed = () => {
        cancel();
        resolve();
      };
      this.#connection?.toServer.send({ kind: "close" });
    });
  }
}
