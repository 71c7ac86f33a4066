import type { Buffer } from "node:buffer";
import { asBuffer } from "../../common/as-buffer.ts";
import { addChroot, stripChroot } from "../../zookeeper/paths.ts";
import { isNoNode } from "../../zookeeper/wire/error-codes.ts";
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
import { checkData } from "../data-limit.ts";
import { makePath } from "../make-path.ts";
import type { WatchKind } from "../watches.ts";
import { errorOf } from "../zookeeper-errors.ts";
import { type Answer, CREATOR_WRITES, FLAG, type NativeClient, type NativeStat } from "./addon.ts";
import { authenticate, restoreWatches } from "./attach.ts";
import type { Connect } from "./connector.ts";
import type { Handle, Loss } from "./handle.ts";

/** How long `close` tries to reach a server. */
const CLOSE_MS_MAX = 2000;
/** A socket accepts this much at once, whatever its settings. */
const LARGE_BYTES = 4096;
const ANY_ACL_VERSION = -1;

/** The request of an operation, and how to read its reply. */
interface Operation<Values extends unknown[], T> {
  /** For error messages. */
  readonly name: string;
  /** As the caller knows it; `at` is the path on the server. */
  readonly path: string;
  readonly sequential?: boolean;
  send(native: NativeClient, at: string, answer: Answer<Values>): number;
  read(...values: Values): T;
  /** The result when the znode does not exist. Without it, that is an error. */
  whenMissing?(): T;
}

/** A session. It uses one connection of the C client after another. */
export class NativeSession implements Coordination {
  readonly #connect: Connect;
  readonly #credentials: string | undefined;
  readonly #client = new ClientSession();
  /** Aborted when no connection is needed any more. */
  readonly #over = new AbortController();
  #handle: Handle;
  #attaching: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #chroot = "";
  /** The newest transaction in any stat so far. The server has fired all watches up to it. */
  #seenZxid = 0;

  /** `handle` has a new session with these credentials. */
  constructor(connect: Connect, handle: Handle, credentials: string | undefined) {
    this.#connect = connect;
    this.#credentials = credentials;
    this.#handle = handle;
    this.#listen(handle);
  }

  /** Makes `path` the root. Must be called first. Errors: those of `create`. */
  async enter(path: string): Promise<void> {
    await makePath(this, path, { hasCredentials: this.#credentials !== undefined });
    this.#chroot = path;
  }

  get state(): SessionState {
    return this.#client.state;
  }

  onState(listener: (state: SessionState) => void): () => void {
    return this.#client.onState(listener);
  }

  async create(path: string, data: Uint8Array, mode: CreateMode, access: Access = "open"): Promise<string> {
    if (access === "creator-writes" && this.#credentials === undefined) {
      const message = `only a session with digest credentials can make ${path} for its creator alone to write`;
      throw new CoordinationError("BAD_ARGUMENTS", message, { path });
    }
    const sequential = mode.endsWith("sequential");
    const flags = (mode.startsWith("ephemeral") ? FLAG.ephemeral : 0) | (sequential ? FLAG.sequential : 0);
    const created = await this.#perform<[string], string>({
      name: "create",
      path,
      sequential,
      send: (native, at, answer) => native.a_create(at, toSend(native, path, data), flags, answer),
      read: (at) => stripChroot(this.#chroot, at),
    });
    if (access === "creator-writes") await this.#keepForCreator(created);
    return created;
  }

  get(path: string, watcher?: Watcher): Promise<{ data: Uint8Array; stat: Stat }> {
    return this.#perform<[NativeStat | null, Buffer | null], { data: Uint8Array; stat: Stat }>({
      name: "get",
      path,
      send: (native, at, answer) => native.a_get(at, watcher !== undefined, answer),
      read: (stat, data) => {
        this.#watch("data", path, watcher);
        return { data: new Uint8Array(data ?? []), stat: this.#statOf(stat) };
      },
    });
  }

  exists(path: string, watcher?: Watcher): Promise<Stat | undefined> {
    return this.#perform<[NativeStat | null], Stat | undefined>({
      name: "exists",
      path,
      send: (native, at, answer) => native.a_exists(at, watcher !== undefined, answer),
      read: (stat) => {
        this.#watch("data", path, watcher);
        return this.#statOf(stat);
      },
      whenMissing: () => {
        this.#watch("exists", path, watcher);
        return undefined;
      },
    });
  }

  children(path: string, watcher?: Watcher): Promise<string[]> {
    return this.#perform<[string[] | null, NativeStat | null], string[]>({
      name: "list",
      path,
      send: (native, at, answer) => native.a_get_children2(at, watcher !== undefined, answer),
      read: (names, stat) => {
        this.#watch("children", path, watcher);
        this.#statOf(stat);
        return names ?? [];
      },
    });
  }

  set(path: string, data: Uint8Array, version: number): Promise<Stat> {
    return this.#perform<[NativeStat | null], Stat>({
      name: "set",
      path,
      send: (native, at, answer) => native.a_set(at, toSend(native, path, data), version, answer),
      read: (stat) => this.#statOf(stat),
    });
  }

  delete(path: string, version: number): Promise<void> {
    return this.#perform<[], void>({
      name: "delete",
      path,
      send: (native, at, answer) => {
        if (path !== "/") return native.a_delete_(at, version, answer);
        throw new CoordinationError("BAD_ARGUMENTS", "the root / cannot be deleted", { path });
      },
      read: () => {},
    });
  }

  sync(path: string): Promise<void> {
    return this.#perform<[string], void>({
      name: "sync",
      path,
      send: (native, at, answer) => native.a_sync(at, answer),
      read: () => {},
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#client.over) return;
    this.#client.finish("closed");
    const timer = setTimeout(() => this.#over.abort(), CLOSE_MS_MAX);
    await this.#attaching;
    clearTimeout(timer);
    await this.#handle.close();
  }

  #perform<Values extends unknown[], T>(operation: Operation<Values, T>): Promise<T> {
    const { name, path, sequential = false } = operation;
    const start = (end: (answer: () => T) => void) => {
      const refusal = this.#handle.ask<Values>(
        (native, answer) => operation.send(native, addChroot(this.#chroot, path, sequential), answer),
        (code, ...values) =>
          end(() => {
            if (code === 0) return operation.read(...values);
            if (operation.whenMissing !== undefined && isNoNode(code)) return operation.whenMissing();
            throw errorOf(code, name, path);
          }),
      );
      if (refusal !== 0) throw errorOf(refusal, name, path);
    };
    return this.#client.perform(path, start, { sequential });
  }

  /** The C client's package cannot create a znode with an ACL, so for a moment everybody can write it. */
  #keepForCreator(path: string): Promise<void> {
    return this.#perform<[], void>({
      name: "create",
      path,
      send: (native, at, answer) => native.a_set_acl(at, ANY_ACL_VERSION, CREATOR_WRITES, answer),
      read: () => {},
      whenMissing: () => {},
    });
  }

  #watch(kind: WatchKind, path: string, watcher: Watcher | undefined): void {
    if (watcher !== undefined) this.#client.watches.add(kind, path, watcher);
  }

  #statOf(stat: NativeStat | null): Stat {
    if (stat === null) throw new CoordinationError("SYSTEM", "the zookeeper package answered without a stat");
    this.#seenZxid = Math.max(this.#seenZxid, stat.mzxid, stat.pzxid);
    const ephemeral = stat.ephemeralOwner !== "0";
    return {
      czxid: String(stat.czxid),
      version: stat.version,
      ephemeral,
      own: ephemeral && stat.createdInThisSession,
      childCount: stat.numChildren,
    };
  }

  #listen(handle: Handle): void {
    handle.listen({
      onZnodeEvent: (event, path) => this.#client.watches.fire(event, stripChroot(this.#chroot, path)),
      onLost: (loss) => this.#lost(loss),
    });
  }

  #lost(loss: Loss): void {
    if (loss === "expired") this.#client.finish("expired");
    else this.#client.disconnected();
    // The session may have ended before, or a listener has closed it now.
    if (this.#client.over) return;
    this.#attaching = this.#attach().catch((error) => {
      if (!this.#over.signal.aborted) throw error;
    });
  }

  /** Finds a new connection for the session, unless the session has expired. */
  async #attach(): Promise<void> {
    for (;;) {
      const handle = await this.#connect(this.#over.signal, this.#handle.identity);
      if (handle === "expired") {
        this.#client.finish("expired");
        return;
      }
      if (await this.#tryAttach(handle)) return;
    }
  }

  async #tryAttach(handle: Handle): Promise<boolean> {
    const { watches } = this.#client;
    const pathsOf = (kind: WatchKind) => watches.paths(kind).map((path) => addChroot(this.#chroot, path));
    try {
      if (this.#credentials !== undefined) await authenticate(handle, this.#credentials);
      const missed = await restoreWatches(handle, pathsOf, this.#seenZxid);
      this.#handle = handle;
      this.#client.connected();
      for (const [event, path] of missed) watches.fire(event, stripChroot(this.#chroot, path));
      this.#listen(handle);
      return true;
    } catch (error) {
      if (CoordinationError.is(error)) return false;
      throw error;
    }
  }
}

/**
 * The data of a request that is about to be sent. Of a large request the C client sends what the socket accepts at
 * once. Its package sends more only after it has read something, which may be the answer to a ping, seconds later. So a
 * small request is sent first, whose answer comes soon.
 */
function toSend(native: NativeClient, path: string, data: Uint8Array): Buffer {
  checkData(path, data);
  if (data.length > LARGE_BYTES) native.a_exists("/", false, () => {});
  return asBuffer(data);
}
