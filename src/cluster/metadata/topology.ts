import type { Clock } from "../../common/clock.ts";
import type { Topology } from "./model.ts";
import { unlessAborted } from "./retry-on-connection-loss.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import { TopologyReader } from "./topology-reader.ts";

/** The cluster as this process sees it now. */
export interface TopologySource {
  /** Undefined before everything has been read once. */
  readonly current: Topology | undefined;
  /** Why `current` is undefined, while it is. */
  readonly unreadReason: string;
  /** Calls `listener` after each change of `current`. Returns how to stop that. */
  onChange(listener: (topology: Topology) => void): () => void;
  /** The first topology, from now on, for which `predicate` holds. Rejects with the signal's reason. */
  waitUntil(predicate: (topology: Topology) => boolean, signal: AbortSignal): Promise<Topology>;
}

/**
 * Watches the cluster through the sessions of the process, for as long as they go on. While there is no connection the
 * last topology stays, marked with `staleSinceMs`, until everything has been read anew.
 * `onDiagnostic` is told once of each znode that cannot be read or is not of ours.
 */
export function watchTopology(options: {
  sessions: SessionKeeper;
  clock: Clock;
  onDiagnostic: (message: string) => void;
}): TopologySource {
  const { sessions, clock, onDiagnostic } = options;
  const listeners = new Set<(topology: Topology) => void>();
  let current: Topology | undefined;

  const change = (next: Topology) => {
    current = next;
    for (const listener of [...listeners]) listener(next);
  };
  const markStale = () => {
    if (current !== undefined && current.staleSinceMs === undefined) {
      change({ ...current, staleSinceMs: clock.monotonicMs() });
    }
  };
  const onChange: TopologySource["onChange"] = (listener) => {
    const entry = (topology: Topology) => listener(topology);
    listeners.add(entry);
    return () => listeners.delete(entry);
  };

  sessions.use((session, signal) => {
    session.onState((state) => {
      if (state !== "connected") markStale();
    });
    new TopologyReader({ session, clock, signal, onDiagnostic, onRead: change }).start();
  });

  return {
    get current() {
      return current;
    },
    get unreadReason() {
      const reason = "ZooKeeper has not been reached since this node started";
      return sessions.trouble === undefined ? reason : `${reason}: ${sessions.trouble}`;
    },
    onChange,
    async waitUntil(predicate, signal) {
      signal.throwIfAborted();
      if (current !== undefined && predicate(current)) return current;
      const found = Promise.withResolvers<Topology>();
      const stop = onChange((topology) => {
        if (predicate(topology)) found.resolve(topology);
      });
      try {
        return await unlessAborted(found.promise, signal);
      } finally {
        stop();
      }
    },
  };
}
