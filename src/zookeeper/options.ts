import { type ConnectionOptions, createSecureContext } from "node:tls";
import { timerMsMax } from "../common/clock.ts";
import {
  abortSignal,
  anObject,
  anything,
  bigInteger,
  bytes,
  callback,
  durationMs,
  type Kind,
  type Kinds,
  listOf,
  objectWith,
  oneOf,
  text,
  wholeNumber,
  yesOrNo,
} from "../common/option-kinds.ts";
import { type Acl, aclKind } from "./acl.ts";
import { ZooKeeperError } from "./errors.ts";
import type { WatchListener } from "./watch-event.ts";
import {
  type PersistentKind,
  persistentKinds,
  type RemovedWatches,
  removedWatches,
} from "./watches/session-watches.ts";
import type { SessionIdentity } from "./wire/session.ts";
import { type CreateMode, createModes } from "./znode.ts";

/** Options of every call. */
export interface CallOptions {
  /** Ends the call with ABORTED. `maybeApplied` of the error says whether the server may carry it out all the same. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds that the call may take, with the wait for a connection and all that is repeated: above 0, or Infinity.
   * Default: that of the client.
   */
  readonly deadlineMs?: number | undefined;
}

/** Options of a read that can set a watch. */
export interface ReadOptions extends CallOptions {
  /** Called once, at the next change. A read that fails sets no watch, but for `exists` of a missing znode. */
  readonly watch?: WatchListener | undefined;
}

export interface CreateAllOptions extends CallOptions {
  /** Of all znodes that are created. Default: that of the client. */
  readonly acl?: readonly Acl[] | undefined;
}

/** Options of a write that can depend on the version. */
export interface VersionOptions extends CallOptions {
  /** Only if the version is this one. Default: any. */
  readonly version?: number | undefined;
}

export interface CreateOptions extends CallOptions {
  /** Default: persistent. */
  readonly mode?: CreateMode | undefined;
  /** Default: that of the client. */
  readonly acl?: readonly Acl[] | undefined;
  /** With the modes that have a TTL: how long it may have no change and no children. 1 to 2 ** 40 - 1. */
  readonly ttlMs?: number | undefined;
}

export interface AddWatchOptions extends CallOptions {
  /** `persistent`: as all one-shot watches of the path together. `persistent-recursive`: the path and all below it. */
  readonly mode: PersistentKind;
}

export interface RemoveWatchesOptions extends CallOptions {
  /** `data` (of `get` and `exists`), `children`, or `any`, which includes persistent ones. Default: any. */
  readonly type?: RemovedWatches | undefined;
}

/**
 * Which calls are sent again, until their deadline, when the connection was lost before the answer. `reads`, the
 * default: those that change nothing. `conditional`: also `create` without a number, and `set`, `delete` and `setAcl`
 * with a version. Such a call may be refused because its own first attempt was carried out: then its error, be it
 * NODE_EXISTS, NO_NODE or BAD_VERSION, has `maybeApplied`. `nothing`: each fails with CONNECTION_LOSS. A call that has
 * not been sent yet waits for a connection in any case.
 */
export type RetryPolicy = "nothing" | "reads" | "conditional";

/** An identity to authenticate as. */
export interface Auth {
  /** `digest`, or another scheme that the servers have. */
  readonly scheme: string;
  /** For `digest`: `user:password`. */
  readonly auth: string | Uint8Array;
}

export interface ZooKeeperOptions {
  /**
   * `host[:port][,host[:port]...][/chroot]`, or `srv:name[/chroot]` for servers that are found by the SRV records of a
   * name, such as `srv:_zookeeper._tcp.example.org`. Names are resolved anew whenever a server is looked for. Paths of
   * all calls are below the chroot, which is not created: `createAll("/")` does so.
   */
  readonly servers: string;
  /**
   * How long the session lives without its client, from 1 to 2147483647. Servers grant 2 to 20 of their ticks, 4 to 40 s
   * by default: see `ZooKeeper.sessionTimeoutMs`. Default 10,000.
   */
  readonly sessionTimeoutMs?: number | undefined;
  /** Identities of the session from the beginning on. */
  readonly auth?: readonly Auth[] | undefined;
  /**
   * The ACL of znodes that are created without one of their own, also by recipes. Whoever is to take part in a recipe
   * needs all permissions but `admin` on its znodes. Default: `openAcl`.
   */
  readonly acl?: readonly Acl[] | undefined;
  /** TLS, at a port of its own (secureClientPort). With `cert` and `key` the client has an identity of scheme x509. */
  readonly tls?: ConnectionOptions | undefined;
  /** Whether a server that has no majority will do for reading, until another one is found. Default: false. */
  readonly readOnly?: boolean | undefined;
  /**
   * Whether to follow changes of the ensemble's members (`reconfig`): the client then tries the members that the ensemble
   * names before `servers`, which stay for when it reaches none of those. For ensembles whose configuration has addresses
   * that this client can reach; it names no ports for TLS. Default: false.
   */
  readonly followEnsemble?: boolean | undefined;
  /** Milliseconds that calls may take that have no deadline of their own: above 0, or Infinity. Default 30,000. */
  readonly deadlineMs?: number | undefined;
  /** Default: reads. */
  readonly retry?: RetryPolicy | undefined;
  /** Gets a line that says what to check, once for each kind of failure and each outage. */
  readonly onDiagnostic?: ((message: string) => void) | undefined;
  /** Goes on with the session of an earlier process, with its ephemeral znodes. See `ZooKeeper.identity`. */
  readonly resume?: SessionIdentity | undefined;
}

/** Errors: BAD_ARGUMENTS, when the certificates or keys cannot be used. */
export function checkTls(tls: ConnectionOptions | undefined): void {
  try {
    if (tls !== undefined) createSecureContext(tls);
  } catch (cause) {
    const message = "the certificates or the key for TLS with ZooKeeper cannot be used";
    throw new ZooKeeperError("BAD_ARGUMENTS", message, { cause });
  }
}

/** Errors: BAD_ARGUMENTS, when a client is to follow its ensemble to ports for TLS. */
export function checkFollowing(followEnsemble: boolean, tls: ConnectionOptions | undefined): void {
  if (!followEnsemble || tls === undefined) return;
  const problem = "an ensemble's configuration names no ports for TLS";
  throw new ZooKeeperError("BAD_ARGUMENTS", `followEnsemble is true; allowed with tls: false, as ${problem}`);
}

/** A version, or -1 for any. Servers count on with negative ones after the largest. */
export const versionKind = wholeNumber(-(2 ** 31), 2 ** 31 - 1);

/** A long of the protocol. */
export const longKind: Kind = {
  allowed: "a bigint of 64 bits",
  accepts: (given) => bigInteger.accepts(given) && BigInt.asIntN(64, given as bigint) === given,
};

export const authKind: Kind = {
  allowed: "a string or a Uint8Array",
  accepts: (given) => text.accepts(given) || bytes.accepts(given),
  isSecret: true,
};

export const callKinds: Kinds<CallOptions> = { signal: abortSignal, deadlineMs: durationMs };
export const readKinds: Kinds<ReadOptions> = { ...callKinds, watch: callback };
export const createAllKinds: Kinds<CreateAllOptions> = { ...callKinds, acl: aclKind };
export const versionKinds: Kinds<VersionOptions> = { ...callKinds, version: versionKind };
/** `createOperation` checks the TTL, as it depends on the mode. */
export const createKinds: Kinds<CreateOptions> = {
  ...callKinds,
  mode: oneOf(createModes),
  acl: aclKind,
  ttlMs: anything,
};
export const addWatchKinds: Kinds<AddWatchOptions> = { ...callKinds, mode: oneOf(persistentKinds) };
export const removeWatchesKinds: Kinds<RemoveWatchesOptions> = { ...callKinds, type: oneOf(removedWatches) };
export const clientKinds: Kinds<ZooKeeperOptions> = {
  servers: text,
  sessionTimeoutMs: wholeNumber(1, timerMsMax),
  auth: listOf({ ...objectWith({ scheme: text, auth: authKind }), isSecret: true }),
  acl: aclKind,
  tls: { ...anObject, isSecret: true },
  readOnly: yesOrNo,
  followEnsemble: yesOrNo,
  deadlineMs: durationMs,
  retry: oneOf(["nothing", "reads", "conditional"]),
  onDiagnostic: callback,
  resume: {
    ...objectWith({ sessionId: longKind, password: bytes }),
    allowed: "the `identity` of an earlier client",
    isSecret: true,
  },
};
