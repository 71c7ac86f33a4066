import { ZooKeeperError } from "../errors.ts";
import type { ChildrenAndStat, DataAndStat } from "../operations/reads.ts";
import type { Stat } from "../znode.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { type EndlessCall, unlessAborted } from "./bounded.ts";
import { connected } from "./connected.ts";
import { unlessMissing } from "./missing.ts";
import { type SharedWatching, shareWatch } from "./shared-watches.ts";

/** One look at some znodes: what it reads is watched, so that another look follows a change. */
export class Look {
  readonly #client: ZooKeeper;
  readonly #call: EndlessCall;
  readonly #woken = Promise.withResolvers<void>();
  readonly #watching: SharedWatching[] = [];

  constructor(client: ZooKeeper, call: EndlessCall) {
    this.#client = client;
    this.#call = call;
  }

  /** As `ZooKeeper.get`, with a watch; undefined, and without one, when the znode does not exist. */
  get(path: string): Promise<DataAndStat | undefined> {
    return unlessMissing(
      this.#read(`data ${path}`, (watch) => this.#client.get(path, { ...this.#call, watch })),
    );
  }

  /** As `ZooKeeper.exists`, with a watch also on what does not exist. */
  exists(path: string): Promise<Stat | undefined> {
    return this.#read(`exists ${path}`, (watch) => this.#client.exists(path, { ...this.#call, watch }));
  }

  /** As `ZooKeeper.children`, with a watch; undefined, and without one, when the znode does not exist. */
  children(path: string): Promise<ChildrenAndStat | undefined> {
    return unlessMissing(
      this.#read(`children ${path}`, (watch) => this.#client.children(path, { ...this.#call, watch })),
    );
  }

  /** Another look is to follow at once. */
  again(): void {
    this.#woken.resolve();
  }

  /** Resolves at a change of what was read. Errors: ABORTED. */
  changed(path: string): Promise<void> {
    return unlessAborted(path, this.#call.signal, this.#woken.promise);
  }

  end(): void {
    for (const watching of this.#watching) watching.stop();
  }

  async #read<T>(key: string, read: (watch: SharedWatching["listener"]) => Promise<T>): Promise<T> {
    const watching = shareWatch(this.#client, key, () => this.again());
    this.#watching.push(watching);
    const result = await read(watching.listener);
    watching.isSet();
    return result;
  }
}

/**
 * Looks at some znodes whenever they may have changed, until `look` finds something. A lost connection makes it look
 * again on the next one, and a server that refuses what is no read on one that takes writes. Errors: those of `look` but
 * CONNECTION_LOSS and READ_ONLY; ABORTED, SESSION_EXPIRED, CLOSED.
 */
export async function waitUntil<T>(
  client: ZooKeeper,
  path: string,
  call: EndlessCall,
  look: (look: Look) => Promise<T | undefined>,
): Promise<T> {
  for (;;) {
    const current = new Look(client, call);
    try {
      const found = await look(current);
      if (found !== undefined) return found;
      await current.changed(path);
    } catch (error) {
      // The next call waits for a connection.
      if (ZooKeeperError.is(error, "READ_ONLY")) await connected(client, path, call.signal);
      else if (!ZooKeeperError.is(error, "CONNECTION_LOSS")) throw error;
    } finally {
      current.end();
    }
  }
}
