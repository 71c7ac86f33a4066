import type { ZnodeEventType } from "../watch-event.ts";
import { PathListeners } from "./path-listeners.ts";

/** The call that set a watch: `get` (or `exists` that found the znode), `exists` that found none, or `children`. */
export type OneShotKind = "data" | "exists" | "children";

export const oneShotKinds: readonly OneShotKind[] = ["data", "exists", "children"];

const KINDS_TOLD: Readonly<Record<ZnodeEventType, readonly OneShotKind[]>> = {
  created: ["data", "exists"],
  changed: ["data", "exists"],
  deleted: ["data", "exists", "children"],
  children: ["children"],
};

/**
 * The one-shot watches of a session. As with ZooKeeper's own clients, a function that watches one znode in several ways
 * is called once for an event that concerns several of them, and must be set again in each way.
 */
export class OneShotWatches<Listener> {
  readonly #listeners: Readonly<Record<OneShotKind, PathListeners<Listener>>> = {
    data: new PathListeners(),
    exists: new PathListeners(),
    children: new PathListeners(),
  };

  add(kind: OneShotKind, path: string, listener: Listener): void {
    this.#listeners[kind].add(path, listener);
  }

  /** Paths that have a watch of this kind now. */
  paths(kind: OneShotKind): string[] {
    return this.#listeners[kind].paths();
  }

  has(kind: OneShotKind, path: string): boolean {
    return this.#listeners[kind].has(path);
  }

  /** Removes and returns those that `event` at `path` concerns. */
  fire(event: ZnodeEventType, path: string): Set<Listener> {
    return this.take(path, KINDS_TOLD[event]);
  }

  /** Removes and returns those of some kinds. */
  take(path: string, kinds: readonly OneShotKind[] = oneShotKinds): Set<Listener> {
    return new Set(kinds.flatMap((kind) => this.#listeners[kind].take(path)));
  }

  /** Removes and returns all, by their paths. */
  takeAll(): Map<string, Set<Listener>> {
    const paths = new Set(oneShotKinds.flatMap((kind) => this.paths(kind)));
    return new Map([...paths].map((path) => [path, this.take(path)]));
  }
}
