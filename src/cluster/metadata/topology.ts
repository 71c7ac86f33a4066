import type { Clock } from "../../common/clock.ts";
import { unlessAborted } from "../../common/unless-aborted.ts";
import type { Topology } from "./model.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import { TopologyReader } from "./topology-reader.ts";

/** The cluster as this process sees it now. */
export interface TopologySource {
  /** Undefined before everything has been read once. */
  readonly current: Topology | undefined;
  /** Why `current` is undefined, while it is. */
  readonly unreadReason: string;
  /** Calls `listener` after each change of `current`. Returns a function that removes the listener. */
  onChange(listener: (topology: Topology) => void): () => void;
  /** The first topology, from now on, for which `predicate` holds. Rejects with the signal's reason. */
  waitUntil(predicate: (topology: Topology) => boolean, signal: AbortSignal): Promise<Topology>;
}

export interface WatchedTopologyOptions {
  readonly sessions: SessionKeeper;
  readonly clock: Clock;
  /** Called once for each znode that cannot be read or is not ours. */
  readonly onDiagnostic: (message: string) => void;
}

/**
 * Watches the cluster through the sessions of the process. While there is no connection, the last topology stays, marked
 * with `staleSinceMs`, until everything has been read again.
 */
export class WatchedTopology implements TopologySource {
  readonly #options: WatchedTopologyOptions;
  readonly #listeners = new Set<(topology: Topology) => void>();
  #current: Topology | undefined;

  constructor(options: WatchedTopologyOptions) {
    this.#options = options;
    const { sessions, clock, onDiagnostic } = options;
    sessions.use((session, signal) => {
      session.onState((state) => {
        if (state !== "connected") this.#markStale();
      });
      const onRead = (topology: Topology) => this.#change(topology);
      new TopologyReader({ session, clock, signal, onDiagnostic, onRead }).start();
    });
  }

  get current(): Topology | undefined {
    return this.#current;
  }

  get unreadReason(): string {
    const { diagnostic } = this.#options.sessions;
    const reason = "ZooKeeper has not been reached since this node started";
    return diagnostic === undefined ? reason : `${reason}: ${diagnostic}`;
  }

  onChange(listener: (topology: Topology) => void): () => void {
    const entry = (topology: Topology) => listener(topology);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  async waitUntil(predicate: (topology: Topology) => boolean, signal: AbortSignal): Promise<Topology> {
    signal.throwIfAborted();
    if (this.#current !== undefined && predicate(this.#current)) return this.#current;
    const found = Promise.withResolvers<Topology>();
    const stop = this.onChange((topology) => {
      if (predicate(topology)) found.resolve(topology);
    });
    try {
      return await unlessAborted(found.promise, signal);
    } finally {
      stop();
    }
  }

  #change(next: Topology): void {
    this.#current = next;
    for (const listener of [...this.#listeners]) listener(next);
  }

  #markStale(): void {
    if (this.#current === undefined || this.#current.staleSinceMs !== undefined) return;
    this.#change({ ...this.#current, staleSinceMs: this.#options.clock.monotonicMs() });
  }
}
