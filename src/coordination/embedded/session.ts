import { addChroot, stripChroot } from "../../zookeeper/paths.ts";
import { ClientSession } from "../client-session.ts";
import {
  type Access,
  type Coordination,
  CoordinationError,
  type CreateMode,
  type SessionState,
  type Stat,
  type Watcher,
} from "../coordination.ts";
import type { WatchKind, ZnodeEvent } from "../watches.ts";
import { missedEvents } from "./missed-events.ts";
import type { ServedSession, Server } from "./server.ts";
import { type Caller, type Change, statOf } from "./tree.ts";

/** The change that an operation made to the tree, and the answer to its caller. */
interface Outcome<T> {
  readonly change?: Change;
  readonly answer: () => T;
}

/**
 * A session of an embedded service. It is the client's side, which can lose its connection, and the server's side,
 * which ends the session after the session time-out without a connection. As with ZooKeeper, a client without a
 * connection learns that its session ended only when it is connected again.
 */
export class EmbeddedSession implements Coordination, ServedSession {
  readonly #server: Server;
  readonly #caller: Caller;
  readonly #chroot: string;
  readonly #client = new ClientSession();
  /** Whether the server has ended the session. */
  #ended = false;
  #cancelTimeout = () => {};
  /** The last transaction that the client knew of when it lost its connection. */
  #seenZxid = 0;
  #losesNext: "request" | "answer" | undefined;
  #closed: Promise<void> | undefined;

  constructor(server: Server, caller: Caller, chroot: string) {
    this.#server = server;
    this.#caller = caller;
    this.#chroot = chroot;
  }

  get state(): SessionState {
    return this.#client.state;
  }

  onState(listener: (state: SessionState) => void): () => void {
    return this.#client.onState(listener);
  }

  create(path: string, data: Uint8Array, mode: CreateMode, access: Access = "open"): Promise<string> {
    const create = (at: string) => {
      const change = this.#server.tree.create(at, { data: new Uint8Array(data), mode, access }, this.#caller);
      return { change, answer: () => stripChroot(this.#chroot, change.path) };
    };
    return this.#perform(path, create, { sequential: mode.endsWith("sequential") });
  }

  get(path: string, watcher?: Watcher): Promise<{ data: Uint8Array; stat: Stat }> {
    return this.#perform(path, (at) => {
      const znode = this.#server.tree.need(at);
      const found = { data: znode.data.slice(), stat: statOf(znode, this.#caller.session) };
      return this.#read(found, "data", path, watcher);
    });
  }

  exists(path: string, watcher?: Watcher): Promise<Stat | undefined> {
    return this.#perform(path, (at) => {
      const znode = this.#server.tree.find(at);
      const stat = znode && statOf(znode, this.#caller.session);
      return this.#read(stat, stat ? "data" : "exists", path, watcher);
    });
  }

  children(path: string, watcher?: Watcher): Promise<string[]> {
    return this.#perform(path, (at) =>
      this.#read([...this.#server.tree.need(at).children], "children", path, watcher),
    );
  }

  set(path: string, data: Uint8Array, version: number): Promise<Stat> {
    return this.#perform(path, (at) => {
      const change = this.#server.tree.set(at, new Uint8Array(data), version, this.#caller);
      const stat = statOf(this.#server.tree.need(at), this.#caller.session);
      return { change, answer: () => stat };
    });
  }

  delete(path: string, version: number): Promise<void> {
    return this.#perform(path, (at) => {
      if (path === "/") throw new CoordinationError("BAD_ARGUMENTS", "the root / cannot be deleted");
      return { change: this.#server.tree.delete(at, version, this.#caller), answer: () => {} };
    });
  }

  sync(path: string): Promise<void> {
    return this.#perform(path, () => ({ answer: () => {} }));
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { state } = this.#client;
    this.#client.finish("closed");
    // Without a connection the server does not know, and waits for the time-out.
    if (state === "connected") await new Promise<void>((resolve) => this.end(resolve));
  }

  /** Fires the watches that `event` at `path` (on the server) concerns, if there is a connection. */
  notify(event: ZnodeEvent, path: string): void {
    if (this.state !== "connected" || this.#ended) return;
    // With the slash: another znode's name may begin with that of the chroot.
    if (!`${path}/`.startsWith(`${this.#chroot}/`)) return;
    this.#client.watches.fire(event, stripChroot(this.#chroot, path));
  }

  disconnect(): void {
    if (this.state !== "connected") return;
    this.#seenZxid = this.#server.publishedZxid;
    this.#cancelTimeout = this.#server.clock.timer(this.#server.sessionTimeoutMs, () => this.end());
    this.#client.disconnected();
  }

  reconnect(): void {
    if (this.state !== "disconnected") return;
    if (this.#ended) {
      this.#client.finish("expired");
    } else {
      this.#cancelTimeout();
      const find = (path: string) => this.#server.tree.find(addChroot(this.#chroot, path));
      const missed = missedEvents(this.#client.watches, find, this.#seenZxid);
      this.#client.connected();
      for (const [event, path] of missed) this.#client.watches.fire(event, path);
    }
  }

  loseNext(what: "request" | "answer"): void {
    this.#losesNext = what;
  }

  /** Ends the session on the server, which deletes its ephemeral znodes. `done` is called when every session knows. */
  end(done = () => {}): void {
    this.#cancelTimeout();
    this.#ended = true;
    this.#server.push(this.#server.tree.endSession(this.#caller.session), () => {
      this.#server.sessions.delete(this);
      if (this.state === "connected") this.#client.finish("expired");
      done();
    });
  }

  /** Ends the session when its service has failed. */
  fail(error: CoordinationError): void {
    this.#cancelTimeout();
    this.#client.finish("expired", error);
  }

  /** Carries out an operation on the server at once. The answer reaches the caller later, if the connection holds. */
  #perform<T>(
    path: string,
    operation: (at: string) => Outcome<T>,
    { sequential = false }: { sequential?: boolean } = {},
  ): Promise<T> {
    const attempt = () => operation(addChroot(this.#chroot, path, sequential));
    const start = (end: (answer: () => T) => void) => {
      const lost = this.#losesNext;
      this.#losesNext = undefined;
      const outcome = lost === "request" ? undefined : this.#attempt(path, attempt);
      this.#server.push(outcome?.change === undefined ? [] : [outcome.change], () =>
        end(() => (outcome && lost === undefined ? outcome.answer() : this.#loseConnection(path))),
      );
    };
    return this.#client.perform(path, start, { sequential });
  }

  #attempt<T>(path: string, operation: () => Outcome<T>): Outcome<T> {
    try {
      if (this.#ended) throw new CoordinationError("SESSION_EXPIRED", "the session has expired");
      return operation();
    } catch (error) {
      if (!CoordinationError.is(error)) throw error;
      return {
        answer: () => {
          // The error names the path as the caller knows it.
          throw new CoordinationError(error.code, error.message, { path });
        },
      };
    }
  }

  #loseConnection(path: string): never {
    this.disconnect();
    throw new CoordinationError("CONNECTION_LOSS", "the connection was lost before the answer came", {
      path,
    });
  }

  #read<T>(answer: T, kind: WatchKind, path: string, watcher: Watcher | undefined): Outcome<T> {
    return {
      answer: () => {
        if (watcher !== undefined) this.#client.watches.add(kind, path, watcher);
        return answer;
      },
    };
  }
}
