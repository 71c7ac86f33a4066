import { aList, bytes, callback, type Kinds, text } from "../common/option-kinds.ts";
import { type Acl, aclKind, openAcl } from "./acl.ts";
import type { Calls } from "./calls.ts";
import { checkArgument, checkOptions } from "./check.ts";
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
import {
  type AddWatchOptions,
  addWatchKinds,
  authKind,
  type CallOptions,
  type CreateAllOptions,
  type CreateOptions,
  callKinds,
  createAllKinds,
  createKinds,
  type ReadOptions,
  type RemoveWatchesOptions,
  readKinds,
  removeWatchesKinds,
  type VersionOptions,
  versionKinds,
  type ZooKeeperOptions,
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
    options: CreateOptions = {},
  ): Promise<Created> {
    checkOptions(`create ${path}`, options, createKinds);
    checkArgument("data", data, bytes);
    const { mode = "persistent", acl = this.#acl, ttlMs, ...call } = options;
    checkPath(path, isSequential(mode));
    return this.#calls.perform(createOperation(this.#chroot, path, { data, mode, acl, ttlMs }), call);
  }

  /**
   * Creates the missing znodes down to `path`, persistent and empty, and with a chroot that one too. Those that exist stay
   * as they are.
   */
  async createAll(path: string, options: CreateAllOptions = {}): Promise<void> {
    checkCall("createAll", path, options, createAllKinds);
    const { acl = this.#acl, ...call } = options;
    await createAll(this.#calls, addChroot(this.#chroot, path), acl, call);
  }

  /** Data and stat of a znode. Errors: NO_NODE. */
  async get(path: string, options: ReadOptions = {}): Promise<DataAndStat> {
    checkCall("get", path, options, readKinds);
    const { watch, ...call } = options;
    return this.#calls.perform(getOperation(this.#chroot, path, watch), call);
  }

  /** Stat of a znode; undefined when it does not exist. The watch is set in both cases. */
  async exists(path: string, options: ReadOptions = {}): Promise<Stat | undefined> {
    checkCall("exists", path, options, readKinds);
    const { watch, ...call } = options;
    return this.#calls.perform(existsOperation(this.#chroot, path, watch), call);
  }

  /** Names (not paths) of a znode's children, in no order, and its own stat. Errors: NO_NODE. */
  async children(path: string, options: ReadOptions = {}): Promise<ChildrenAndStat> {
    checkCall("children", path, options, readKinds);
    const { watch, ...call } = options;
    return this.#calls.perform(childrenOperation(this.#chroot, path, watch), call);
  }

  /** Replaces the data. Errors: NO_NODE, BAD_VERSION, QUOTA_EXCEEDED. */
  async set(path: string, data: Uint8Array, options: VersionOptions = {}): Promise<Stat> {
    checkCall("set", path, options, versionKinds);
    checkArgument("data", data, bytes);
    const { version = ANY_VERSION, ...call } = options;
    return this.#calls.perform(setOperation(this.#chroot, path, data, version), call);
  }

  /** Deletes a znode that has no children. Errors: NO_NODE, BAD_VERSION, NOT_EMPTY. */
  async delete(path: string, options: VersionOptions = {}): Promise<void> {
    checkCall("delete", path, options, versionKinds);
    const { version = ANY_VERSION, ...call } = options;
    return this.#calls.perform(deleteOperation(this.#chroot, path, version), call);
  }

  /**
   * Deletes a znode and all below it, children first, in several transactions. What others create there meanwhile is
   * deleted too; a znode that does not exist is no error. Whoever creates there faster than this deletes keeps it from
   * ending before its deadline.
   */
  async deleteAll(path: string, options: CallOptions = {}): Promise<void> {
    checkCall("deleteAll", path, options, callKinds);
    await deleteAll(this.#calls, this.#chroot, path, options);
  }

  /** The ACL of a znode. Who has no permission `admin` sees `user:x` for an id of scheme digest. Errors: NO_NODE. */
  async getAcl(path: string, options: CallOptions = {}): Promise<{ acl: Acl[]; stat: Stat }> {
    checkCall("getAcl", path, options, callKinds);
    return this.#calls.perform(getAclOperation(this.#chroot, path), options);
  }

  /** Replaces the ACL. `version` is that of the ACL, `Stat.aversion`. Errors: NO_NODE, BAD_VERSION, INVALID_ACL. */
  async setAcl(path: string, acl: readonly Acl[], options: VersionOptions = {}): Promise<Stat> {
    checkCall("setAcl", path, options, versionKinds);
    checkArgument("acl", acl, aclKind);
    const { version = ANY_VERSION, ...call } = options;
    return this.#calls.perform(setAclOperation(this.#chroot, path, acl, version), call);
  }

  /** Gives the session an identity more, also on later connections. Errors: AUTH_FAILED. */
  async addAuth(scheme: string, auth: string | Uint8Array, options: CallOptions = {}): Promise<void> {
    checkOptions("addAuth", options, callKinds);
    checkArgument("scheme", scheme, text);
    checkArgument("auth", auth, authKind);
    const credentials = credentialsOf({ scheme, auth });
    const start = () => this.#session.authenticate(credentials);
    return this.#calls.run({ name: "addAuth", path: scheme, effect: "read", start }, options);
  }

  /** The identities that the server knows this session by. ZooKeeper 3.7 and later. */
  async whoAmI(options: CallOptions = {}): Promise<Identity[]> {
    checkOptions("whoAmI", options, callKinds);
    return this.#calls.perform(whoAmIOperation(), options);
  }

  /**
   * Carries out all of the operations or none. Errors: that of the first one that fails, of which `index` says which it
   * is.
   */
  async multi(operations: readonly MultiOperation[], options: CallOptions = {}): Promise<MultiResult[]> {
    checkOptions("multi", options, callKinds);
    checkArgument("operations", operations, aList);
    return this.#calls.perform(multiOperation(this.#chroot, operations, this.#acl), options);
  }

  /** Several reads that show the same moment. ZooKeeper 3.6 and later. */
  async multiRead(reads: readonly MultiRead[], options: CallOptions = {}): Promise<MultiReadResult[]> {
    checkOptions("multiRead", options, callKinds);
    checkArgument("reads", reads, aList);
    return this.#calls.perform(multiReadOperation(this.#chroot, reads), options);
  }

  /** Waits until later reads of this session see every write that was made anywhere before this call. */
  async sync(path = "/", options: CallOptions = {}): Promise<void> {
    checkCall("sync", path, options, callKinds);
    return this.#calls.perform(syncOperation(this.#chroot, path), options);
  }

  /** Paths of this session's ephemeral znodes that begin with `prefix`. ZooKeeper 3.6 and later. */
  async ephemerals(prefix = "/", options: CallOptions = {}): Promise<string[]> {
    checkCall("ephemerals", prefix, options, callKinds);
    return this.#calls.perform(ephemeralsOperation(this.#chroot, prefix), options);
  }

  /** Number of znodes below a path, at all depths. ZooKeeper 3.6 and later. Errors: NO_NODE. */
  async allChildrenCount(path: string, options: CallOptions = {}): Promise<number> {
    checkCall("allChildrenCount", path, options, callKinds);
    return this.#calls.perform(allChildrenCountOperation(this.#chroot, path), options);
  }

  /**
   * Watches a path until the watch is removed or the session ends; the path need not exist. Watches go on after a
   * reconnect, which they are told of as `missed`. ZooKeeper 3.6 and later. Errors: UNIMPLEMENTED.
   */
  async addWatch(path: string, options: AddWatchOptions, listener: WatchListener): Promise<PersistentWatch> {
    checkCall("addWatch", path, options, addWatchKinds);
    checkArgument("mode", options.mode, addWatchKinds.mode);
    checkArgument("listener", listener, callback);
    return this.#watches.add(path, options, listener);
  }

  /** Removes watches of this client on a path, and tells each `removed`. Errors: NO_WATCHER. */
  async removeWatches(path: string, options: RemoveWatchesOptions = {}): Promise<void> {
    checkCall("removeWatches", path, options, removeWatchesKinds);
    return this.#watches.remove(path, options);
  }

  /** The configuration of the ensemble: a line for each member, and its version. It can be watched. */
  async getConfig(options: ReadOptions = {}): Promise<DataAndStat> {
    checkOptions("getConfig", options, readKinds);
    const { watch, ...call } = options;
    return this.#calls.perform(getConfigOperation(watch), call);
  }

  /**
   * Changes the members of the ensemble, and returns the new configuration. Servers need `reconfigEnabled`, and by default
   * let only the super user do it. Errors: BAD_ARGUMENTS, BAD_VERSION, RECONFIG_DISABLED, RECONFIG_IN_PROGRESS,
   * NEW_CONFIG_NO_QUORUM; UNIMPLEMENTED, of a server that stands alone.
   */
  async reconfig(change: Reconfiguration, options: CallOptions = {}): Promise<DataAndStat> {
    checkOptions("reconfig", options, callKinds);
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

/** Errors: BAD_ARGUMENTS, for the path or an option. */
function checkCall(name: string, path: string, options: CallOptions, kinds: Kinds<CallOptions>): void {
  checkPath(path);
  checkOptions(`${name} ${path}`, options, kinds);
}
