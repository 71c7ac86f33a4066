import { type Acl, openAcl } from "./acl.ts";
import type { Calls } from "./calls.ts";
import { ConnectedSignals } from "./connected-signal.ts";
import { credentialsOf, type OpenSession, openSession } from "./open-session.ts";
import { type MultiOperation, type MultiResult, multiOperation } from "./operations/multi.ts";
import { type MultiRead, type MultiReadResult, multiReadOperation } from "./operations/multi-read.ts";
import {
  allChildrenCountOperation,
  type ChildrenAndStat,
  childrenOperation,
  type DataAndStat,
  ephemeralsOperation,
  existsOperation,
  getAclOperation,
  getOperation,
  type Identity,
  syncOperation,
  whoAmIOperation,
} from "./operations/reads.ts";
import { getConfigOperation, type Reconfiguration, reconfigOperation } from "./operations/reconfig.ts";
import {
  type Created,
  createOperation,
  deleteOperation,
  setAclOperation,
  setOperation,
} from "./operations/writes.ts";
import type {
  AddWatchOptions,
  CallOptions,
  CreateAllOptions,
  CreateOptions,
  ReadOptions,
  RemoveWatchesOptions,
  VersionOptions,
  ZooKeeperOptions,
} from "./options.ts";
import { addChroot, checkPath } from "./paths.ts";
import { type PersistentWatch, PersistentWatches } from "./persistent-watches.ts";
import type { SessionState } from "./session-state.ts";
import { createAll, deleteAll } from "./trees.ts";
import type { WatchListener } from "./watch-event.ts";
import type { Session, SessionIdentity } from "./wire/session.ts";
import { isSequential, type Stat } from "./znode.ts";

const ANY_VERSION = -1;

/**
 * A client of ZooKeeper 3.5 and later. One object is one session: when it has expired, connect a new one.
 *
 * Every call waits for a connection, until its deadline. Calls are sent in the order in which they were made, and
 * carried out by the server in that order, as long as the connection lasts. Errors of every call, all of the class
 * ZooKeeperError: BAD_ARGUMENTS, CONNECTION_LOSS, SESSION_EXPIRED, CLOSED, DEADLINE_EXCEEDED, ABORTED, OVERLOADED, and
 * SYSTEM; NO_AUTH of those on a znode; READ_ONLY of writes.
 */
export class ZooKeeper implements AsyncDisposable {
  readonly #session: Session;
  readonly #chroot: string;
  readonly #calls: Calls;
  /** Of what is created without one of its own. */
  readonly #acl: readonly Acl[];
  readonly #watches: PersistentWatches;
  readonly #connected: ConnectedSignals;

  private constructor({ session, chroot, calls }: OpenSession, acl: readonly Acl[]) {
    this.#session = session;
    this.#chroot = chroot;
    this.#calls = calls;
    this.#acl = acl;
    this.#watches = new PersistentWatches(session, calls, chroot);
    this.#connected = new ConnectedSignals(session.states);
  }

  /**
   * Opens a session with one of the servers. Errors: BAD_ARGUMENTS, AUTH_FAILED; SESSION_EXPIRED, of a session to resume;
   * DEADLINE_EXCEEDED, with what the servers have in their way; ABORTED.
   */
  static async connect(options: ZooKeeperOptions, call: CallOptions = {}): Promise<ZooKeeper> {
    return new ZooKeeper(await openSession(options, call), options.acl ?? openAcl);
  }

  get state(): SessionState {
    return this.#session.states.now;
  }

  /** The owner of this session's ephemeral znodes, see `Stat.ephemeralOwner`. */
  get sessionId(): bigint {
    return this.#session.identity.sessionId;
  }

  /** What a later process needs to go on with this session, see `ZooKeeperOptions.resume`. The password is a secret. */
  get identity(): SessionIdentity {
    return this.#session.identity;
  }

  /** How long the session lives without its client, as the server has granted it. */
  get sessionTimeoutMs(): number {
    return this.#session.sessionTimeoutMs;
  }

  /** Calls `listener` after every change of `state`, in order. Returns a function that stops it. */
  onState(listener: (state: SessionState) => void): () => void {
    return this.#session.states.listen(listener);
  }

  /**
   * A signal that is aborted as soon as the session is not `connected`, be it for a moment: for holders of locks and
   * leaders, which must stop before another client takes their place. It is aborted after two thirds of the session
   * time-out without a word from the server; other clients see the session expire later. Its reason is a ZooKeeperError.
   * A paused process notices only when it goes on, so what it writes elsewhere needs a fencing token such as a `czxid`.
   */
  connectedSignal(): AbortSignal {
    return this.#connected.signal();
  }

  /**
   * Creates a znode. Errors: NODE_EXISTS; NO_NODE, when there is no parent; NO_CHILDREN_FOR_EPHEMERALS; INVALID_ACL;
   * UNIMPLEMENTED, of TTLs without extendedTypesEnabled; QUOTA_EXCEEDED. When the answer was lost in a sequential mode,
   * see `createProtected`.
   */
  async create(
    path: string,
    data: Uint8Array = new Uint8Array(),
    { mode = "persistent", acl = this.#acl, ttlMs, ...options }: CreateOptions = {},
  ): Promise<Created> {
    checkPath(path, isSequential(mode));
    return this.#calls.perform(createOperation(this.#chroot, path, { data, mode, acl, ttlMs }), options);
  }

  /**
   * Creates the missing znodes down to `path`, persistent and empty, and with a chroot that one too. Those that exist stay
   * as they are.
   */
  async createAll(path: string, { acl = this.#acl, ...options }: CreateAllOptions = {}): Promise<void> {
    checkPath(path);
    await createAll(this.#calls, addChroot(this.#chroot, path), acl, options);
  }

  /** Data and stat of a znode. Errors: NO_NODE. */
  async get(path: string, { watch, ...options }: ReadOptions = {}): Promise<DataAndStat> {
    checkPath(path);
    return this.#calls.perform(getOperation(this.#chroot, path, watch), options);
  }

  /** Stat of a znode; undefined when it does not exist. The watch is set in both cases. */
  async exists(path: string, { watch, ...options }: ReadOptions = {}): Promise<Stat | undefined> {
    checkPath(path);
    return this.#calls.perform(existsOperation(this.#chroot, path, watch), options);
  }

  /** Names (not paths) of a znode's children, in no order, and its own stat. Errors: NO_NODE. */
  async children(path: string, { watch, ...options }: ReadOptions = {}): Promise<ChildrenAndStat> {
    checkPath(path);
    return this.#calls.perform(childrenOperation(this.#chroot, path, watch), options);
  }

  /** Replaces the data. Errors: NO_NODE, BAD_VERSION, QUOTA_EXCEEDED. */
  async set(
    path: string,
    data: Uint8Array,
    { version = ANY_VERSION, ...options }: VersionOptions = {},
  ): Promise<Stat> {
    checkPath(path);
    return this.#calls.perform(setOperation(this.#chroot, path, data, version), options);
  }

  /** Deletes a znode that has no children. Errors: NO_NODE, BAD_VERSION, NOT_EMPTY. */
  async delete(path: string, { version = ANY_VERSION, ...options }: VersionOptions = {}): Promise<void> {
    checkPath(path);
    return this.#calls.perform(deleteOperation(this.#chroot, path, version), options);
  }

  /**
   * Deletes a znode and all below it, children first, in several transactions. What others create there meanwhile is
   * deleted too; a znode that does not exist is no error. Whoever creates there faster than this deletes keeps it from
   * ending before its deadline.
   */
  async deleteAll(path: string, options: CallOptions = {}): Promise<void> {
    checkPath(path);
    await deleteAll(this.#calls, this.#chroot, path, options);
  }

  /** The ACL of a znode. Who has no permission `admin` sees `user:x` for an id of scheme digest. Errors: NO_NODE. */
  async getAcl(path: string, options?: CallOptions): Promise<{ acl: Acl[]; stat: Stat }> {
    checkPath(path);
    return this.#calls.perform(getAclOperation(this.#chroot, path), options);
  }

  /** Replaces the ACL. `version` is that of the ACL, `Stat.aversion`. Errors: NO_NODE, BAD_VERSION, INVALID_ACL. */
  async setAcl(
    path: string,
    acl: readonly Acl[],
    { version = ANY_VERSION, ...options }: VersionOptions = {},
  ): Promise<Stat> {
    checkPath(path);
    return this.#calls.perform(setAclOperation(this.#chroot, path, acl, version), options);
  }

  /** Gives the session an identity more, also on later connections. Errors: AUTH_FAILED. */
  async addAuth(scheme: string, auth: string | Uint8Array, options?: CallOptions): Promise<void> {
    const credentials = credentialsOf({ scheme, auth });
    const start = () => this.#session.authenticate(credentials);
    return this.#calls.run({ name: "addAuth", path: scheme, effect: "read", start }, options);
  }

  /** The identities that the server knows this session by. ZooKeeper 3.7 and later. */
  async whoAmI(options?: CallOptions): Promise<Identity[]> {
    return this.#calls.perform(whoAmIOperation(), options);
  }

  /**
   * Carries out all of the operations or none. Errors: that of the first one that fails, of which `index` says which it
   * is.
   */
  async multi(operations: readonly MultiOperation[], options?: CallOptions): Promise<MultiResult[]> {
    return this.#calls.perform(multiOperation(this.#chroot, operations, this.#acl), options);
  }

  /** Several reads that show the same moment. ZooKeeper 3.6 and later. */
  async multiRead(reads: readonly MultiRead[], options?: CallOptions): Promise<MultiReadResult[]> {
    return this.#calls.perform(multiReadOperation(this.#chroot, reads), options);
  }

  /** Waits until later reads of this session see every write that was made anywhere before this call. */
  async sync(path = "/", options?: CallOptions): Promise<void> {
    checkPath(path);
    return this.#calls.perform(syncOperation(this.#chroot, path), options);
  }

  /** Paths of this session's ephemeral znodes that begin with `prefix`. ZooKeeper 3.6 and later. */
  async ephemerals(prefix = "/", options?: CallOptions): Promise<string[]> {
    checkPath(prefix);
    return this.#calls.perform(ephemeralsOperation(this.#chroot, prefix), options);
  }

  /** Number of znodes below a path, at all depths. ZooKeeper 3.6 and later. Errors: NO_NODE. */
  async allChildrenCount(path: string, options?: CallOptions): Promise<number> {
    checkPath(path);
    return this.#calls.perform(allChildrenCountOperation(this.#chroot, path), options);
  }

  /**
   * Watches a path until the watch is removed or the session ends; the path need not exist. Watches go on after a
   * reconnect, which they are told of as `missed`. ZooKeeper 3.6 and later. Errors: UNIMPLEMENTED.
   */
  async addWatch(path: string, options: AddWatchOptions, listener: WatchListener): Promise<PersistentWatch> {
    checkPath(path);
    return this.#watches.add(path, options, listener);
  }

  /** Removes watches of this client on a path, and tells each `removed`. Errors: NO_WATCHER. */
  async removeWatches(path: string, options: RemoveWatchesOptions = {}): Promise<void> {
    checkPath(path);
    return this.#watches.remove(path, options);
  }

  /** The configuration of the ensemble: a line for each member, and its version. It can be watched. */
  async getConfig({ watch, ...options }: ReadOptions = {}): Promise<DataAndStat> {
    return this.#calls.perform(getConfigOperation(watch), options);
  }

  /**
   * Changes the members of the ensemble, and returns the new configuration. Servers need `reconfigEnabled`, and by default
   * let only the super user do it. Errors: BAD_ARGUMENTS, BAD_VERSION, RECONFIG_DISABLED, RECONFIG_IN_PROGRESS,
   * NEW_CONFIG_NO_QUORUM; UNIMPLEMENTED, of a server that stands alone.
   */
  async reconfig(change: Reconfiguration, options?: CallOptions): Promise<DataAndStat> {
    return this.#calls.perform(reconfigOperation(change), options);
  }

  /**
   * Ends the session, so that its ephemeral znodes are deleted at once, if a server can be reached within two seconds.
   * Never fails. Calls that are under way fail with CLOSED.
   */
  close(): Promise<void> {
    return this.#session.close();
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
