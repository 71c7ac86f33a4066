import { callListener } from "../../common/listeners.ts";
import { parentOf, stripChroot } from "../paths.ts";
import type { WatchEvent, WatchListener, ZnodeEventType } from "../watch-event.ts";
import { type OneShotKind, OneShotWatches, oneShotKinds } from "./one-shot-watches.ts";
import { PathListeners } from "./path-listeners.ts";

/** Modes of `addWatch`. */
export type PersistentKind = (typeof persistentKinds)[number];

export const persistentKinds = ["persistent", "persistent-recursive"] as const;

/** A watch of any kind. */
export interface Watch {
  readonly kind: OneShotKind | PersistentKind;
  /** On the server. */
  readonly path: string;
  readonly listener: WatchListener;
}

/** Which watches of a path to remove (Watcher.WatcherType). */
export type RemovedWatches = (typeof removedWatches)[number];

export const removedWatches = ["data", "children", "any"] as const;

const KINDS_REMOVED: Readonly<Record<RemovedWatches, readonly OneShotKind[]>> = {
  data: ["data", "exists"],
  children: ["children"],
  any: oneShotKinds,
};

/**
 * All watches of a session, by their paths on the server.
 *
 * Servers before 3.9 keep one watch of a session for a path, the one that was set last (ZOOKEEPER-4466). So what a
 * persistent watch of the same path tells anyway is not asked of the server as a one-shot watch, nor is a second
 * persistent one: it would end the first without a word. That holds as soon as the server is asked for the first.
 */
export class SessionWatches {
  readonly #chroot: string;
  readonly #oneShot = new OneShotWatches<WatchListener>();
  readonly #persistent: Readonly<Record<PersistentKind, PathListeners<WatchListener>>> = {
    persistent: new PathListeners(),
    "persistent-recursive": new PathListeners(),
  };
  /** The persistent watches that the server is being asked for. */
  readonly #asked: Readonly<Record<PersistentKind, PathListeners<Watch>>> = {
    persistent: new PathListeners(),
    "persistent-recursive": new PathListeners(),
  };

  /** Listeners are told paths below `chroot`. */
  constructor(chroot: string) {
    this.#chroot = chroot;
  }

  /** Whether the server has to be asked for this watch, for its listener to be told everything. */
  needServer({ kind, path }: Watch): boolean {
    if (this.hasPersistent(path, "persistent-recursive")) return false;
    if (kind === "persistent-recursive") return true;
    if (this.isAsked(path, "persistent-recursive") || this.hasPersistent(path)) return false;
    return kind === "persistent" || !this.isAsked(path);
  }

  /** The server is being asked for this watch, until the returned function is called. */
  ask(watch: Watch): () => void {
    const { kind, path } = watch;
    if (!isPersistent(kind)) return () => {};
    this.#asked[kind].add(path, watch);
    return () => this.#asked[kind].delete(path, watch);
  }

  add({ kind, path, listener }: Watch): void {
    if (isPersistent(kind)) this.#persistent[kind].add(path, listener);
    else this.#oneShot.add(kind, path, listener);
  }

  /** Paths that have a watch of this kind now. */
  paths(kind: Watch["kind"]): string[] {
    return isPersistent(kind) ? this.#persistent[kind].paths() : this.#oneShot.paths(kind);
  }

  /** Whether a path has a persistent watch of this kind, or of any. */
  hasPersistent(path: string, kind?: PersistentKind): boolean {
    return kindsOf(kind).some((each) => this.#persistent[each].has(path));
  }

  /** Whether the server is being asked for a persistent watch of a path, of this kind or of any. */
  isAsked(path: string, kind?: PersistentKind): boolean {
    return kindsOf(kind).some((each) => this.#asked[each].has(path));
  }

  /** Whether a path has a watch of this kind, or the server is being asked for it. */
  hasOrAsks(kind: Watch["kind"], path: string): boolean {
    if (!isPersistent(kind)) return this.#oneShot.has(kind, path);
    return this.hasPersistent(path, kind) || this.isAsked(path, kind);
  }

  /** Tells the listeners what the server has told. */
  fire(type: ZnodeEventType, path: string): void {
    const told = new Set<WatchListener>();
    for (const listener of this.#oneShot.fire(type, path)) told.add(listener);
    for (const listener of this.#persistent.persistent.at(path)) told.add(listener);
    // As from a server, which tells recursive watches of the child itself.
    if (type !== "children") for (const listener of this.#recursiveAbove(path)) told.add(listener);
    this.#tell(told, type, path);
    if (type === "created" || type === "deleted") this.#fireChildren(parentOf(path));
  }

  /** Tells persistent watches that the connection was lost and is back. */
  missed(): void {
    for (const kind of persistentKinds) {
      for (const path of this.#persistent[kind].paths()) {
        this.#tell(new Set(this.#persistent[kind].at(path)), "missed", path);
      }
    }
  }

  /** Ends all watches with the session. */
  lose(): void {
    const lost = new Map<string, Set<WatchListener>>();
    const paths = new Set([...oneShotKinds, ...persistentKinds].flatMap((kind) => this.paths(kind)));
    for (const path of paths) lost.set(path, this.#take(path, oneShotKinds, persistentKinds));
    for (const [path, listeners] of lost) this.#tell(listeners, "session-lost", path);
  }

  /** Removes the watches of a path, and tells their listeners. Returns whether there were any. */
  remove(path: string, which: RemovedWatches): boolean {
    const listeners = this.#take(path, KINDS_REMOVED[which], which === "any" ? persistentKinds : []);
    this.#tell(listeners, "removed", path);
    return listeners.size > 0;
  }

  /** Removes one listener, without telling it. */
  removeListener(kind: PersistentKind, path: string, listener: WatchListener): void {
    this.#persistent[kind].delete(path, listener);
  }

  /** A recursive watch of this znode keeps the server from telling its other watches of new and deleted children. */
  #fireChildren(path: string): void {
    if (!this.#persistent["persistent-recursive"].has(path)) return;
    const told = new Set(this.#persistent.persistent.at(path));
    for (const listener of this.#oneShot.fire("children", path)) told.add(listener);
    this.#tell(told, "children", path);
  }

  #recursiveAbove(path: string): WatchListener[] {
    const recursive = this.#persistent["persistent-recursive"];
    const found = recursive.at(path);
    for (let above = path; above !== "/"; ) {
      above = parentOf(above);
      found.push(...recursive.at(above));
    }
    return found;
  }

  #take(
    path: string,
    oneShot: readonly OneShotKind[],
    persistent: readonly PersistentKind[],
  ): Set<WatchListener> {
    const taken = new Set<WatchListener>();
    for (const listener of this.#oneShot.take(path, oneShot)) taken.add(listener);
    for (const kind of persistent)
      for (const listener of this.#persistent[kind].take(path)) taken.add(listener);
    return taken;
  }

  #tell(listeners: ReadonlySet<WatchListener>, type: WatchEvent["type"], serverPath: string): void {
    const path = stripChroot(this.#chroot, serverPath);
    for (const listener of listeners) callListener(() => listener({ type, path }));
  }
}

function isPersistent(kind: Watch["kind"]): kind is PersistentKind {
  return kind === "persistent" || kind === "persistent-recursive";
}

function kindsOf(kind: PersistentKind | undefined): readonly PersistentKind[] {
  return kind === undefined ? persistentKinds : [kind];
}
