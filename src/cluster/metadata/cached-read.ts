import { type Coordination, CoordinationError, type Watcher } from "../../coordination/coordination.ts";

export interface CachedReadOptions<T> {
  /** Must set the watcher, if it is given one, whenever it succeeds. */
  readonly fetch: (watcher: Watcher | undefined) => Promise<T>;
  /** How often the session has been connected. */
  readonly connections: () => number;
  /** Called when a watch has fired. */
  readonly onOutdated: () => void;
}

/** A read whose answer is cached until a watch fires or the session reconnects. */
export class CachedRead<T> {
  readonly #options: CachedReadOptions<T>;
  #kept: { readonly answer: T; readonly connection: number } | undefined;
  /** Watches outlive a connection, so setting one again would double it. */
  #isWatched = false;
  #firings = 0;
  #underWay: Promise<T> | undefined;

  constructor(options: CachedReadOptions<T>) {
    this.#options = options;
  }

  async read(): Promise<T> {
    if (this.#kept?.connection === this.#options.connections()) return this.#kept.answer;
    // One read at a time. With two, the one without a watcher could be answered, and the other be lost.
    this.#underWay ??= this.#load().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #load(): Promise<T> {
    const { fetch, connections } = this.#options;
    const connection = connections();
    const firingsBefore = this.#firings;
    const setsWatch = !this.#isWatched;
    this.#isWatched = true; // Now, since the watch may fire before this function goes on.
    try {
      const answer = await fetch(setsWatch ? () => this.#onFired() : undefined);
      if (this.#firings === firingsBefore) this.#kept = { answer, connection };
      return answer;
    } catch (error) {
      if (setsWatch) this.#isWatched = false;
      throw error;
    }
  }

  #onFired(): void {
    this.#isWatched = false;
    this.#kept = undefined;
    this.#firings++;
    this.#options.onOutdated();
  }
}

/** Names of the children. None while the znode does not exist. Its creation is watched too. */
export async function childrenOrAwait(session: Coordination, path: string, watcher: Watcher | undefined) {
  return (await readOrAwait(session, path, watcher, () => session.children(path, watcher))) ?? [];
}

/** Data and stat. Undefined while the znode does not exist. Its creation is watched too. */
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
    // Without a watcher there is already a watch, which fires at the creation.
    if (watcher === undefined || (await session.exists(path, watcher)) === undefined) return undefined;
  }
}
