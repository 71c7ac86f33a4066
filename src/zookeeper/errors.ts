/** Why a call of the ZooKeeper client failed. Those that a server answers have the names of KeeperException.java. */
export type ZooKeeperErrorCode =
  /** There is no such znode; of `create`: no parent. */
  | "NO_NODE"
  | "NODE_EXISTS"
  /** The version is not the expected one. */
  | "BAD_VERSION"
  /** A znode with children cannot be deleted. */
  | "NOT_EMPTY"
  | "NO_CHILDREN_FOR_EPHEMERALS"
  /** The ACL of the znode does not allow it to the identities of this session. */
  | "NO_AUTH"
  /** The server refuses the credentials. */
  | "AUTH_FAILED"
  /** The ACL is malformed, or of the scheme `auth` in a session without identities. */
  | "INVALID_ACL"
  /** An argument is not allowed. The message says which, and what is allowed. */
  | "BAD_ARGUMENTS"
  /** A write, at a server that has no majority and only reads. */
  | "READ_ONLY"
  /** There is no watch to remove. */
  | "NO_WATCHER"
  /** The server does not know the request, or has it switched off. */
  | "UNIMPLEMENTED"
  /** A local session cannot have ephemeral znodes. */
  | "EPHEMERAL_ON_LOCAL_SESSION"
  | "RECONFIG_DISABLED"
  | "RECONFIG_IN_PROGRESS"
  /** No majority of the new configuration is connected and up to date. */
  | "NEW_CONFIG_NO_QUORUM"
  | "QUOTA_EXCEEDED"
  /** The server is overloaded, and has not carried it out. */
  | "THROTTLED"
  /** The connection was lost before the answer came, and the call is none that is repeated. */
  | "CONNECTION_LOSS"
  | "SESSION_EXPIRED"
  /** The session was closed by its user. */
  | "CLOSED"
  /** The caller's signal was aborted. `cause` is its reason. */
  | "ABORTED"
  | "DEADLINE_EXCEEDED"
  /** Too many calls of this client are under way. */
  | "OVERLOADED"
  /** Any other error of the server. The message has its number. */
  | "SYSTEM";

export interface ZooKeeperErrorOptions {
  readonly path?: string;
  readonly index?: number;
  readonly maybeApplied?: boolean;
  readonly cause?: unknown;
}

/** The error class of the ZooKeeper client. It throws no others. */
export class ZooKeeperError extends Error {
  override readonly name = "ZooKeeperError";
  readonly code: ZooKeeperErrorCode;
  /** The znode that the error is about, as the caller named it. */
  readonly path: string | undefined;
  /** Of a `multi`: the place, from 0, of the operation that failed. */
  readonly index: number | undefined;
  /**
   * Whether the server may have carried out the write, or may still do so: the answer was not waited for, or was lost,
   * also that to an earlier attempt of the same call. False when nothing was done, and always for reads.
   */
  readonly maybeApplied: boolean;

  constructor(code: ZooKeeperErrorCode, message: string, options: ZooKeeperErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.path = options.path;
    this.index = options.index;
    this.maybeApplied = options.maybeApplied ?? false;
  }

  /** Whether `error` is a ZooKeeperError, with one of these codes if there are any. */
  static is(error: unknown, ...codes: ZooKeeperErrorCode[]): error is ZooKeeperError {
    return error instanceof ZooKeeperError && (codes.length === 0 || codes.includes(error.code));
  }
}
