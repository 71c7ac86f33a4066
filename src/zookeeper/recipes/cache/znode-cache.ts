import { Listeners } from "../../../common/listeners.ts";
import { count, type Kinds, oneOf } from "../../../common/option-kinds.ts";
import { checkOptions } from "../../check.ts";
import { ZooKeeperError, type ZooKeeperErrorCode } from "../../errors.ts";
import type { ChildrenAndStat } from "../../operations/reads.ts";
import { checkPath, childOf } from "../../paths.ts";
import type { PersistentWatch } from "../../persistent-watches.ts";
import type { WatchEvent } from "../../watch-event.ts";
import type { ZooKeeper } from "../../zookeeper.ts";
import { unlessAborted } from "../bounded.ts";
import { unlessMissing } from "../missing.ts";
import { CachedTree, type CachedZnode, type ZnodeChange } from "./cached-tree.ts";
import { type Extent, ReadingQueue } from "./reading-queue.ts";

/** Reads that are under way at a time: enough to fill a long link, and few beside the calls of others. */
const READING_MAX = 64;

const NODES_MAX_DEFAULT = 100_000;

/** Znodes that may wait to be read beside those that can be cached: they may be gone when they are read. */
const QUEUED_BESIDE = 10_000;

/** Reads end with the session. */
const UNTIL_SESSION_ENDS = { deadlineMs: Number.POSITIVE_INFINITY };

export interface ZnodeCacheOptions {
  /** The znode alone, or with all below it. Default: subtree. */
  readonly scope?: "node" | "subtree" | undefined;
  /** Most znodes that are kept: with more of them the cache ends. At least 1. Default: 100,000. */
  readonly nodesMax?: number | undefined;
}

const cacheKinds: Kinds<ZnodeCacheOptions> = { scope: oneOf(["node", "subtree"]), nodesMax: count };

/**
 * `initialized`: all that was there at the beginning has been told. `ended`: the cache stays as it is, because its session
 * is over or it cannot read all.
 */
export type CacheEvent =
  | ZnodeChange
  | { readonly type: "initialized" }
  | { readonly type: "ended"; readonly error: ZooKeeperError };

/**
 * A copy in memory of a znode, or of a znode and all below it, which follows its changes. It may be a little behind;
 * without a connection, it stays as it is, and afterwards everything is read again. The znode need not exist.
 *
 * Events of one znode come in order, and a parent is added before and removed after its children. Changes that follow
 * each other quickly may be told as one; but a znode that was deleted and created again is always told so. Data that it
 * gives must not be changed.
 *
 * Uses one persistent watch, or, with servers before ZooKeeper 3.6, one-shot watches of each znode.
 */
export class ZnodeCache {
  readonly #client: ZooKeeper;
  readonly #path: string;
  readonly #scope: "node" | "subtree";
  readonly #nodesMax: number;
  readonly #tree: CachedTree;
  readonly #queue = new ReadingQueue();
  readonly #listeners = new Listeners<CacheEvent>();
  readonly #initialized = Promise.withResolvers<void>();
  #state: "initializing" | "initialized" | "ended" = "initializing";
  #watch: PersistentWatch | undefined;
  /** Whether each read has to set a watch, as there is no persistent one. */
  #isOneShot = false;

  /** Reads nothing before `start`. Errors: BAD_ARGUMENTS. */
  constructor(client: ZooKeeper, path: string, options: ZnodeCacheOptions = {}) {
    checkPath(path);
    checkOptions(`the cache of ${path}`, options, cacheKinds);
    const { scope = "subtree", nodesMax = NODES_MAX_DEFAULT } = options;
    this.#client = client;
    this.#path = path;
    this.#scope = scope;
    this.#nodesMax = nodesMax;
    this.#tree = new CachedTree(path);
    // It may fail before somebody waits for it.
    this.#initialized.promise.catch(() => {});
  }

  /** Number of znodes that are cached. */
  get size(): number {
    return this.#tree.size;
  }

  /** A znode as far as it is known. Undefined when it does not exist. */
  get(path: string): CachedZnode | undefined {
    return this.#tree.get(path);
  }

  /** Names (not paths) of a znode's children as far as they are known, in no order. */
  children(path: string): string[] {
    return this.#tree.children(path);
  }

  /** Calls `listener` with every event from now on, in order. Returns a function that stops it. */
  listen(listener: (event: CacheEvent) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Begins to follow the znode, and waits until the cache is initialized. To be called once. Errors: ABORTED, after which
   * it has ended; OVERLOADED, when there are more znodes than `nodesMax`; NO_AUTH; SESSION_EXPIRED, CLOSED.
   */
  async start({ signal = new AbortController().signal }: { signal?: AbortSignal } = {}): Promise<void> {
    try {
      await unlessAborted(this.#path, signal, this.#begin());
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Follows the znode no more. The last event is `ended`, with CLOSED. */
  close(): void {
    this.#end("CLOSED", "it was closed");
  }

  async #begin(): Promise<void> {
    await this.#setWatch();
    this.#read(this.#path, "all");
    await this.#initialized.promise;
  }

  /** Before the first read, so that no change is missed. */
  async #setWatch(): Promise<void> {
    const mode = this.#scope === "node" ? "persistent" : "persistent-recursive";
    try {
      const options = { mode, ...UNTIL_SESSION_ENDS } as const;
      const watch = await this.#client.addWatch(this.#path, options, this.#onEvent);
      if (this.#state === "ended") await watch.remove(UNTIL_SESSION_ENDS);
      else this.#watch = watch;
    } catch (error) {
      if (!ZooKeeperError.is(error, "UNIMPLEMENTED")) throw error;
      this.#isOneShot = true;
    }
  }

  /** One function for all watches, of which the client keeps one for a path. */
  readonly #onEvent = ({ type, path }: WatchEvent): void => {
    if (this.#state === "ended") return;
    if (type === "session-lost") {
      this.#end(this.#client.state === "expired" ? "SESSION_EXPIRED" : "CLOSED", "the session is over");
    } else if (type === "removed") {
      this.#end("NO_WATCHER", "all watches of the path were removed");
    } else if (type === "missed") this.#read(this.#path, "all");
    else if (type === "created" || this.#isOneShot) this.#read(path, "all");
    else if (type !== "children") this.#read(path, "data");
  };

  #read(path: string, extent: Extent): void {
    this.#queue.add(path, extent);
    if (this.#queue.waiting > this.#nodesMax + QUEUED_BESIDE) {
      // More has changed than can be there.
      this.#queue.clear();
      this.#queue.add(this.#path, "all");
    }
    this.#readNext();
  }

  #readNext(): void {
    while (this.#queue.reading < READING_MAX && this.#state !== "ended") {
      const next = this.#queue.begin();
      if (next === undefined) break;
      this.#readOne(next.path, next.extent).catch((error) => {
        if (!ZooKeeperError.is(error, "CONNECTION_LOSS")) return this.#fail(error);
        // A client can be told to repeat no call.
        this.#queue.end(next.path);
        this.#read(next.path, "all");
      });
    }
    if (this.#queue.isIdle && this.#state === "initializing") {
      this.#state = "initialized";
      this.#listeners.tell({ type: "initialized" });
      this.#initialized.resolve();
    }
  }

  async #readOne(path: string, extent: Extent): Promise<void> {
    const options = { ...UNTIL_SESSION_ENDS, ...(this.#isOneShot && { watch: this.#onEvent }) };
    const listing = this.#scope === "subtree" && (extent === "all" || this.#isOneShot);
    // Sent together: nobody waits for the first one before the second one is sent.
    const [found, list] = await Promise.all([
      unlessMissing(this.#client.get(path, options)),
      listing ? unlessMissing(this.#client.children(path, options)) : undefined,
    ]);
    if (this.#state === "ended") return;
    const isMissing = found === undefined || (listing && list === undefined);
    if (isMissing) this.#tell(this.#tree.missing(path));
    else this.#tell(this.#tree.found(path, found));
    if (!isMissing && list !== undefined) this.#listed(path, list);
    this.#checkSize(this.#tree.size);
    if (isMissing && path === this.#path && this.#isOneShot) await this.#awaitRoot();
    this.#queue.end(path);
    this.#readNext();
  }

  #listed(path: string, list: ChildrenAndStat): void {
    this.#tell(this.#tree.listed(path, list));
    this.#checkSize(list.children.length);
    this.#checkSize(this.#queue.waiting - QUEUED_BESIDE);
    for (const name of list.children) {
      const child = childOf(path, name);
      // With watches of its own, a znode that is known has told what has changed.
      if (!this.#isOneShot || this.#tree.get(child) === undefined) this.#queue.add(child, "all");
    }
  }

  /** Sets a watch on the root, which does not exist. */
  async #awaitRoot(): Promise<void> {
    const stat = await this.#client.exists(this.#path, { ...UNTIL_SESSION_ENDS, watch: this.#onEvent });
    if (stat !== undefined) this.#queue.add(this.#path, "all");
  }

  #checkSize(size: number): void {
    if (size > this.#nodesMax)
      this.#end("OVERLOADED", `there are more than ${this.#nodesMax} znodes (nodesMax)`);
  }

  #tell(changes: readonly ZnodeChange[]): void {
    for (const change of changes) if (this.#state !== "ended") this.#listeners.tell(change);
  }

  #fail(error: unknown): void {
    // What is no error of ZooKeeper's is a bug, and must show.
    if (!ZooKeeperError.is(error)) throw error;
    this.#end(error.code, "it cannot be read any more", error);
  }

  #end(code: ZooKeeperErrorCode, problem: string, cause?: ZooKeeperError): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#queue.clear();
    const error = new ZooKeeperError(code, `cache ${this.#path}: ${problem}`, { path: this.#path, cause });
    this.#initialized.reject(error);
    this.#listeners.tell({ type: "ended", error });
    // Nothing is left to be removed in a session that is over.
    this.#watch?.remove(UNTIL_SESSION_ENDS).catch(() => {});
  }
}
