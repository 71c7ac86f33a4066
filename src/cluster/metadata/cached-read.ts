import { type Coordination, CoordinationError, type Watcher } from "../../coordination/coordination.ts";

/**
 * A read that keeps its answer, until a watch says that it is outdated or the session has been connected anew.
 * `fetch` must set the watcher, if it is given one, whenever it succeeds. `connections` counts how often the session
 * has been connected. `onOutdated` is told when a watch has fired.
 */
export function createCachedRead<T>(options: {
  fetch: (watcher: Watcher | undefined) => Promise<T>;
  connections: () => number;
  onOutdated: () => void;
}): () => Promise<T> {
  const { fetch, connections, onOutdated } = options;
  let kept: { readonly answer: T; readonly connection: number } | undefined;
  /** Watches outlive a connection: to set one again would double it. */
  let isWatched = false;
  let firings = 0;
  let underWay: Promise<T> | undefined;
  const watcher = () => {
    isWatched = false;
    kept = undefined;
    firings++;
    onOutdated();
  };
  const load = async () => {
    const connection = connections();
    const firingsBefore = firings;
    const setsWatch = !isWatched;
    isWatched = true; // Now, since the watch may fire before this function goes on.
    try {
      const answer = await fetch(setsWatch ? watcher : undefined);
      if (firings === firingsBefore) kept = { answer, connection };
      return answer;
    } catch (error) {
      if (setsWatch) isWatched = false;
      throw error;
    }
  };
  return async () => {
    if (kept?.connection === connections()) return kept.answer;
    // One at a time: of two, the one without a watcher could be answered and the other be lost.
    underWay ??= load().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

/** Names of the children, none while the znode does not exist; its creation is watched too. */
export async function childrenOrAwait(session: Coordination, path: string, watcher: Watcher | undefined) {
  return (await readOrAwait(session, path, watcher, () => session.children(path, watcher))) ?? [];
}

/** Data and stat, undefined while the znode does not exist; its creation is watched too. */
export function getOrAwait(session: Coordination, path: string, watcher: Watcher | undefined) {
  return readOrAwait(session, path, watcher, () => session.get(path, watcher));
}

async function readOrAwait<T>(
  session: Coordination,
  path: string,
  watcher: Watcher | undefined,
  read: () => Promise<T>,
): Promise<T | undefined> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!CoordinationError.is(error, "NO_NODE")) throw error;
    }
    // Without a watcher there is a watch already, which will tell of the creation.
    if (watcher === undefined || (await session.exists(path, watcher)) === undefined) return undefined;
  }
}
