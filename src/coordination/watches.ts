import type { WatchEvent, Watcher } from "./coordination.ts";

/** The call that set a watch: `get` (or `exists` that found the znode), `exists` that found none, or `children`. */
export type WatchKind = "data" | "exists" | "children";

export type ZnodeEvent = Exclude<WatchEvent, "session-lost">;

/** An event that a watch missed while its session had no connection. */
export type MissedEvent = readonly [event: ZnodeEvent, path: string];

const KINDS_TOLD: Record<ZnodeEvent, readonly WatchKind[]> = {
  created: ["data", "exists"],
  changed: ["data", "exists"],
  deleted: ["data", "exists", "children"],
  children: ["children"],
};

const ALL_KINDS: readonly WatchKind[] = ["data", "exists", "children"];

/**
 * The watches of one session. As with ZooKeeper's own clients, a function that watches one znode in several ways is
 * called once for an event that concerns several of them, and must be set again in each way.
 */
export class WatchTable {
  readonly #watchers: Record<WatchKind, Map<string, Set<Watcher>>> = {
    data: new Map(),
    exists: new Map(),
    children: new Map(),
  };

  add(kind: WatchKind, path: string, watcher: Watcher): void {
    const watchers = this.#watchers[kind].get(path);
    if (watchers === undefined) this.#watchers[kind].set(path, new Set([watcher]));
    else watchers.add(watcher);
  }

  /** Paths that have a watch of this kind now. */
  paths(kind: WatchKind): string[] {
    return [...this.#watchers[kind].keys()];
  }

  /** Fires the watches that `event` at `path` concerns, and removes them. */
  fire(event: ZnodeEvent, path: string): void {
    this.#tell(event, path, KINDS_TOLD[event]);
  }

  /** Fires `session-lost` at every watch. */
  lose(): void {
    const watched = ALL_KINDS.flatMap((kind) => this.paths(kind));
    for (const path of new Set(watched)) this.#tell("session-lost", path, ALL_KINDS);
  }

  #tell(event: WatchEvent, path: string, kinds: readonly WatchKind[]): void {
    const told = new Set<Watcher>();
    for (const kind of kinds) {
      for (const watcher of this.#watchers[kind].get(path) ?? []) told.add(watcher);
      this.#watchers[kind].delete(path);
    }
    for (const watcher of told) callListener(() => watcher(event, path));
  }
}

/**
 * Calls a listener. An error that it throws is a bug and must show, but must not keep other listeners from being
 * called.
 */
export function callListener(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
