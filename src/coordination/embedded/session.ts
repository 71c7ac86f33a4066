import {
  type Access,
  type Coordination,
  CoordinationError,
  type CreateMode,
  type SessionState,
  type Stat,
  type Watcher,
} from "../coordination.ts";
import { addChroot, checkPath, stripChroot } from "../paths.ts";
import { callListener, type WatchKind, WatchTable, type ZnodeEvent } from "../watches.ts";
import type { Server } from "./server.ts";
import { type Caller, type Change, statOf } from "./tree.ts";

/** What an operation did to the tree, and what its caller will be answered. */
interface Outcome<T> {
  readonly change?: Change;
  readonly answer: () => T;
}

/**
 * A session of an embedded service: both the client's side, which can lose its connection, and the server's, which
 * ends the session when it has heard nothing for the session time-out. As with ZooKeeper a client that has no
 * connection does not learn that its session ended until it is connected again.
 */
export class EmbeddedSession implements Coordination {
  readonly #server: Server;
  readonly #caller: Caller;
  readonly #chroot: string;
  readonly #listeners = new Set<(state: SessionState) => void>();
  readonly #watches = new WatchTable();
  /** How to fail the operations that have not been answered. */
  readonly #pending = new Set<(error: CoordinationError) => void>();
  #state: SessionState = "connected";
  /** Whether the server has ended the session. */
  #ended = false;
  #cancelTimeout = () => {};
  /** The last transaction that the client heard of before it lost its connection. */
  #seenZxid = 0;
  #losesNext: "request" | "answer" | undefined;

  constructor(server: Server, caller: Caller, chroot: string) {
    this.#server = server;
    this.#caller = caller;
    this.#chroot = chroot;
  }

  get state(): SessionState {
    return this.#state;
  }

  onState(listener: (state: SessionState) => void): () => void {
    const entry = (state: SessionState) => listener(state);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  create(path: string, data: Uint8Array, mode: CreateMode, access: Access = "open"): Promise<string> {
    const sequential = mode.endsWith("sequential");
    return this.#perform(path, sequential, (at) => {
      const change = this.#server.tree.create(at, data.slice(), mode, access, this.#caller);
      return { change, answer: () => stripChroot(this.#chroot, change.path) };
    });
  }

  get(path: string, watcher?: Watcher): Promise<{ data: Uint8Array; stat: Stat }> {
    return this.#perform(path, false, (at) => {
      const znode = this.#server.tree.need(at);
      const found = { data: znode.data.slice(), stat: statOf(znode, this.#caller.session) };
      return { answer: this.#answerAndWatch(found, "data", path, watcher) };
    });
  }

  exists(path: string, watcher?: Watcher): Promise<Stat | undefined> {
    return this.#perform(path, false, (at) => {
      const znode = this.#server.tree.find(at);
      const stat = znode && statOf(znode, this.#caller.session);
      return { answer: this.#answerAndWatch(stat, stat ? "data" : "exists", path, watcher) };
    });
  }

  children(path: string, watcher?: Watcher): Promise<string[]> {
    return this.#perform(path, false, (at) => {
      const names = [...this.#server.tree.need(at).children];
      return { answer: this.#answerAndWatch(names, "children", path, watcher) };
    });
  }

  set(path: string, data: Uint8Array, version: number): Promise<Stat> {
    return this.#perform(path, false, (at) => {
      const change = this.#server.tree.set(at, data.slice(), version, this.#caller);
      const stat = statOf(this.#server.tree.need(at), this.#caller.session);
      return { change, answer: () => stat };
    });
  }

  delete(path: string, version: number): Promise<void> {
    return this.#perform(path, false, (at) => {
      if (path === "/")
        throw new CoordinationError("BAD_ARGUMENTS", "the root / cannot be deleted", { path });
      const change = this.#server.tree.delete(at, version, this.#caller);
      return { change, answer: () => undefined };
    });
  }

  sync(path: string): Promise<void> {
    return this.#perform(path, false, () => ({ answer: () => undefined }));
  }

  async close(): Promise<void> {
    if (isFinal(this.#state)) return;
    const connected = this.#state === "connected";
    this.#finish("closed", new CoordinationError("CLOSED", "the session was closed"));
    // Without a connection the server does not hear of it, and waits for the time-out.
    if (connected) await new Promise<void>((resolve) => this.end(resolve));
  }

  /** Tells the watches that `event` at `path` (that of the server) concerns, if there is a connection. */
  notify(event: ZnodeEvent, path: string): void {
    if (this.#state !== "connected" || this.#ended || !path.startsWith(this.#chroot)) return;
    this.#watches.fire(event, stripChroot(this.#chroot, path));
  }

  disconnect(): void {
    if (this.#state !== "connected") return;
    this.#seenZxid = this.#server.publishedZxid;
    this.#cancelTimeout = this.#server.clock.timer(this.#server.sessionTimeoutMs, () => this.end(() => {}));
    this.#failPending(connectionLoss("the connection was lost before the answer came"));
    this.#enter("disconnected");
  }

  reconnect(): void {
    if (this.#state !== "disconnected") return;
    if (this.#ended) {
      this.#expire();
      return;
    }
    this.#cancelTimeout();
    this.#enter("connected");
    this.#tellMissedEvents();
  }

  loseNext(what: "request" | "answer"): void {
    this.#losesNext = what;
  }

  /** Ends the session on the server: its ephemeral znodes go. `done` is called when that has been published. */
  end(done: () => void): void {
    this.#cancelTimeout();
    this.#ended = true;
    this.#server.push(this.#server.tree.endSession(this.#caller.session), () => {
      this.#server.sessions.delete(this);
      if (this.#state === "connected") this.#expire();
      done();
    });
  }

  /** Ends the session when its service has failed. */
  fail(error: CoordinationError): void {
    this.#cancelTimeout();
    if (!isFinal(this.#state)) this.#finish("expired", error);
  }

  /** Does an operation at once on the server; its outcome reaches the caller later, if the connection holds. */
  #perform<T>(path: string, sequential: boolean, operation: (at: string) => Outcome<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      checkPath(path, sequential);
      this.#checkConnected(path);
      const lost = this.#losesNext;
      this.#losesNext = undefined;
      const outcome = lost === "request" ? undefined : this.#attempt(path, operation);
      this.#pending.add(reject);
      this.#server.push(outcome?.change === undefined ? [] : [outcome.change], () => {
        if (!this.#pending.has(reject)) return;
        if (outcome === undefined || lost === "answer") {
          this.disconnect();
          return;
        }
        this.#pending.delete(reject);
        try {
          resolve(outcome.answer());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #attempt<T>(path: string, operation: (at: string) => Outcome<T>): Outcome<T> {
    try {
      if (this.#ended) throw sessionExpired();
      return operation(addChroot(this.#chroot, path));
    } catch (error) {
      return {
        answer: () => {
          // The caller does not know the paths of the server.
          throw CoordinationError.is(error)
            ? new CoordinationError(error.code, error.message, { path })
            : error;
        },
      };
    }
  }

  #answerAndWatch<T>(answer: T, kind: WatchKind, path: string, watcher: Watcher | undefined): () => T {
    return () => {
      if (watcher !== undefined) this.#watches.add(kind, path, watcher);
      return answer;
    };
  }

  /** What ZooKeeper does when a client sets its watches again after a reconnect (DataTree.setWatches). */
  #tellMissedEvents(): void {
    const seen = this.#seenZxid;
    const find = (path: string) => this.#server.tree.find(addChroot(this.#chroot, path));
    for (const path of this.#watches.paths("data")) {
      const znode = find(path);
      if (znode === undefined) this.#watches.fire("deleted", path);
      else if (znode.mzxid > seen) this.#watches.fire("changed", path);
    }
    for (const path of this.#watches.paths("exists")) {
      if (find(path) !== undefined) this.#watches.fire("created", path);
    }
    for (const path of this.#watches.paths("children")) {
      const znode = find(path);
      if (znode === undefined) this.#watches.fire("deleted", path);
      else if (znode.pzxid > seen) this.#watches.fire("children", path);
    }
  }

  #checkConnected(path: string): void {
    if (this.#state === "disconnected") throw connectionLoss("there is no connection", path);
    if (this.#state === "expired") throw sessionExpired(path);
    if (this.#state === "closed") throw new CoordinationError("CLOSED", "the session was closed", { path });
  }

  #expire(): void {
    this.#finish("expired", sessionExpired());
  }

  #finish(state: "expired" | "closed", error: CoordinationError): void {
    this.#failPending(error);
    this.#enter(state);
    this.#watches.lose();
    this.#listeners.clear();
  }

  #failPending(error: CoordinationError): void {
    for (const reject of this.#pending) reject(error);
    this.#pending.clear();
  }

  #enter(state: SessionState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) callListener(() => listener(state));
  }
}

function isFinal(state: SessionState): boolean {
  return state === "expired" || state === "closed";
}

function connectionLoss(why: string, path?: string): CoordinationError {
  return new CoordinationError("CONNECTION_LOSS", why, path === undefined ? {} : { path });
}

function sessionExpired(path?: string): CoordinationError {
  return new CoordinationError(
    "SESSION_EXPIRED",
    "the session has expired",
    path === undefined ? {} : { path },
  );
}
