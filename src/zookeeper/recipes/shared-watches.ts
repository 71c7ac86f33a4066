import type { WatchListener } from "../watch-event.ts";
import type { ZooKeeper } from "../zookeeper.ts";

/** A one-shot watch of a session, and all who wait for it. */
interface SharedWatch {
  readonly listener: WatchListener;
  readonly wakes: Set<() => void>;
  /** Whether a read has set it. It stays until it fires, also when nobody waits for it any more. */
  isSet: boolean;
}

const watches = new WeakMap<ZooKeeper, Map<string, SharedWatch>>();

/** How a waiter takes part in a watch. */
export interface SharedWatching {
  /** For the read that sets the watch. */
  readonly listener: WatchListener;
  /** The read has set the watch. */
  isSet(): void;
  /** The waiter is not called any more. */
  stop(): void;
}

/**
 * Calls `wake` at the next change of what `key` stands for: a path, and how it is read. All waiters of a session share
 * one watch, because a one-shot watch cannot be taken back by one of them: a program that tries again and again for a
 * lock that is taken for days has one watch in all, and not one of every attempt.
 */
export function shareWatch(client: ZooKeeper, key: string, wake: () => void): SharedWatching {
  let ofClient = watches.get(client);
  if (ofClient === undefined) {
    ofClient = new Map();
    watches.set(client, ofClient);
  }
  const shared = ofClient.get(key) ?? makeShared(ofClient, key);
  // A function of its own, so that the same waiter can take part twice.
  const entry = () => wake();
  shared.wakes.add(entry);
  const all = ofClient;
  return {
    listener: shared.listener,
    isSet() {
      shared.isSet = true;
    },
    stop() {
      shared.wakes.delete(entry);
      if (!shared.isSet && shared.wakes.size === 0 && all.get(key) === shared) all.delete(key);
    },
  };
}

function makeShared(ofClient: Map<string, SharedWatch>, key: string): SharedWatch {
  const shared: SharedWatch = {
    wakes: new Set(),
    isSet: false,
    listener() {
      if (ofClient.get(key) === shared) ofClient.delete(key);
      for (const wake of shared.wakes) wake();
    },
  };
  ofClient.set(key, shared);
  return shared;
}
