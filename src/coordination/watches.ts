import { callListener } from "../common/listeners.ts";
import type { ZnodeEventType } from "../zookeeper/watch-event.ts";
import { type OneShotKind, OneShotWatches } from "../zookeeper/watches/one-shot-watches.ts";
import type { WatchEvent, Watcher } from "./coordination.ts";

export type WatchKind = OneShotKind;
export type ZnodeEvent = ZnodeEventType;

/** An event that a watch missed while its session had no connection. */
export type MissedEvent = readonly [event: ZnodeEvent, path: string];

/** The watches of one session, of a driver that has no other table of them. */
export class WatchTable {
  readonly #watches = new OneShotWatches<Watcher>();

  add(kind: WatchKind, path: string, watcher: Watcher): void {
    this.#watches.add(kind, path, watcher);
  }

  /** Paths that have a watch of this kind now. */
  paths(kind: WatchKind): string[] {
    return this.#watches.paths(kind);
  }

  /** Fires the watches that `event` at `path` concerns, and removes them. */
  fire(event: ZnodeEvent, path: string): void {
    tell(this.#watches.fire(event, path), event, path);
  }

  /** Fires `session-lost` at every watch. */
  lose(): void {
    for (const [path, watchers] of this.#watches.takeAll()) tell(watchers, "session-lost", path);
  }
}

function tell(watchers: ReadonlySet<Watcher>, event: WatchEvent, path: string): void {
  for (const watcher of watchers) callListener(() => watcher(event, path));
}
