import { type Acl, creatorAcl, openAcl, readAcl } from "../../zookeeper/acl.ts";
import {
  childrenOperation,
  existsOperation,
  getOperation,
  syncOperation,
} from "../../zookeeper/operations/reads.ts";
import { createOperation, deleteOperation, setOperation } from "../../zookeeper/operations/writes.ts";
import { checkPath } from "../../zookeeper/paths.ts";
import type { SessionState as ZooKeeperState } from "../../zookeeper/session-state.ts";
import type { WatchListener } from "../../zookeeper/watch-event.ts";
import type { Operation } from "../../zookeeper/wire/operation.ts";
import type { Session } from "../../zookeeper/wire/session.ts";
import { isSequential, type Stat as ZooKeeperStat } from "../../zookeeper/znode.ts";
import type { Access, Coordination, CreateMode, SessionState, Stat, Watcher } from "../coordination.ts";
import { translated } from "../zookeeper-errors.ts";

const ACLS: Readonly<Record<Access, readonly Acl[]>> = {
  open: openAcl,
  "creator-writes": [...readAcl, ...creatorAcl],
};

/**
 * A session of the ZooKeeper client as kvlab's core uses it: operations fail at once when there is no connection. Each takes
 * its answer after one `await`, so that callers learn of answers that come together in the order of their calls.
 */
export class WireCoordination implements Coordination {
  readonly #session: Session;
  readonly #chroot: string;
  /** The same for the same watcher, which the session calls once for an event that concerns several of its watches. */
  readonly #listeners = new WeakMap<Watcher, WatchListener>();

  /** Paths are below `chroot`. */
  constructor(session: Session, chroot: string) {
    this.#session = session;
    this.#chroot = chroot;
  }

  get state(): SessionState {
    return stateOf(this.#session.states.now);
  }

  onState(listener: (state: SessionState) => void): () => void {
    return this.#session.states.listen((state) => listener(stateOf(state)));
  }

  async create(path: string, data: Uint8Array, mode: CreateMode, access: Access = "open"): Promise<string> {
    const operation = () => createOperation(this.#chroot, path, { data, mode, acl: ACLS[access] });
    return (await this.#perform(path, operation, isSequential(mode))).path;
  }

  async get(path: string, watcher?: Watcher): Promise<{ data: Uint8Array; stat: Stat }> {
    const { data, stat } = await this.#perform(path, () =>
      getOperation(this.#chroot, path, this.#listener(watcher)),
    );
    return { data, stat: this.#statOf(stat) };
  }

  async exists(path: string, watcher?: Watcher): Promise<Stat | undefined> {
    const stat = await this.#perform(path, () =>
      existsOperation(this.#chroot, path, this.#listener(watcher)),
    );
    return stat && this.#statOf(stat);
  }

  async children(path: string, watcher?: Watcher): Promise<string[]> {
    const { children } = await this.#perform(path, () =>
      childrenOperation(this.#chroot, path, this.#listener(watcher)),
    );
    return children;
  }

  async set(path: string, data: Uint8Array, version: number): Promise<Stat> {
    return this.#statOf(await this.#perform(path, () => setOperation(this.#chroot, path, data, version)));
  }

  async delete(path: string, version: number): Promise<void> {
    await this.#perform(path, () => deleteOperation(this.#chroot, path, version));
  }

  async sync(path: string): Promise<void> {
    await this.#perform(path, () => syncOperation(this.#chroot, path));
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  #perform<T>(path: string, operation: () => Operation<T>, sequential = false): Promise<T> {
    return translated(() => {
      checkPath(path, sequential);
      return this.#session.request(operation()).answer;
    });
  }

  #listener(watcher: Watcher | undefined): WatchListener | undefined {
    if (watcher === undefined) return undefined;
    const before = this.#listeners.get(watcher);
    if (before !== undefined) return before;
    const listener: WatchListener = ({ type, path }) => {
      // The rest is only for watches that are removed or persistent, which nothing here is.
      if (type !== "removed" && type !== "missed") watcher(type, path);
    };
    this.#listeners.set(watcher, listener);
    return listener;
  }

  #statOf({ czxid, version, ephemeralOwner, numChildren }: ZooKeeperStat): Stat {
    return {
      czxid: `${czxid}`,
      version,
      ephemeral: ephemeralOwner !== 0n,
      own: ephemeralOwner === this.#session.identity.sessionId,
      childCount: numChildren,
    };
  }
}

/** No server that only reads is accepted here. */
function stateOf(state: ZooKeeperState): SessionState {
  return state === "read-only" ? "disconnected" : state;
}
