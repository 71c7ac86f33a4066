/**
 * The coordination service that kvlab needs, in the terms of ZooKeeper. One object is one session.
 *
 * Three drivers implement it: kvlab's own wire client, the native npm client and the embedded service. All of them pass
 * the same conformance suite.
 */

/** Lifetime and naming of a new znode. */
export type CreateMode = "persistent" | "persistent-sequential" | "ephemeral" | "ephemeral-sequential";

/**
 * Access mode of a new znode: everybody may write it, or only the holder of the session's digest credentials. Everybody
 * may read it.
 */
export type Access = "open" | "creator-writes";

/** What is known about a znode besides its data. Transaction ids (zxid) are decimal strings: they have 64 bits. */
export interface Stat {
  /** Transaction that created the znode. No two znodes share it, even if they had the same path. */
  readonly czxid: string;
  /** Number of changes to the data. `set` and `delete` compare it. */
  readonly version: number;
  /** Whether the znode is deleted when the session that created it ends. */
  readonly ephemeral: boolean;
  /** Whether this session made it, and it is ephemeral. */
  readonly own: boolean;
  readonly childCount: number;
}

/** The event of a watch. Each watch fires once. `session-lost`: the watch will see no event. */
export type WatchEvent = "created" | "deleted" | "changed" | "children" | "session-lost";

export type Watcher = (event: WatchEvent, path: string) => void;

/**
 * `connected`: operations go to a server. `disconnected`: operations fail at once with CONNECTION_LOSS, but the session
 * may come back with its ephemeral znodes and watches. `expired` and `closed` are final: the ephemeral znodes are or
 * will be deleted, and the watches have fired `session-lost`.
 */
export type SessionState = "connected" | "disconnected" | "expired" | "closed";

export interface Coordination {
  readonly state: SessionState;

  /** Calls `listener` after every change of `state`, in order. Returns a function that stops it. */
  onState(listener: (state: SessionState) => void): () => void;

  /**
   * Creates a znode and returns its path (with the number that a sequential mode appends). Errors: NODE_EXISTS, NO_NODE
   * (no parent), NO_CHILDREN_FOR_EPHEMERALS, NO_AUTH.
   */
  create(path: string, data: Uint8Array, mode: CreateMode, access?: Access): Promise<string>;

  /** Data and stat of a znode. Errors: NO_NODE (the watcher is then not set), NO_AUTH. */
  get(path: string, watcher?: Watcher): Promise<{ data: Uint8Array; stat: Stat }>;

  /** Stat of a znode, or undefined when it does not exist. The watcher is set in both cases. */
  exists(path: string, watcher?: Watcher): Promise<Stat | undefined>;

  /** Names (not paths) of the children, in no order. Errors: NO_NODE (the watcher is then not set). */
  children(path: string, watcher?: Watcher): Promise<string[]>;

  /** Replaces the data if the version is the given one. Errors: BAD_VERSION, NO_NODE, NO_AUTH. */
  set(path: string, data: Uint8Array, version: number): Promise<Stat>;

  /** Deletes a znode if the version is the given one. Errors: BAD_VERSION, NO_NODE, NOT_EMPTY, NO_AUTH. */
  delete(path: string, version: number): Promise<void>;

  /** Waits until later reads of this session see every write that was made anywhere before this call. */
  sync(path: string): Promise<void>;

  /** Ends the session so that its ephemeral znodes go at once. Waits a bounded time; never fails. */
  close(): Promise<void>;
}

/**
 * Opens a session. Tries until a server accepts it. `onDiagnostic` gets a line that says what to check, once for each
 * kind of failure. Aborting `signal` rejects with its reason. Errors: BAD_ARGUMENTS (the connect string is malformed),
 * AUTH_FAILED.
 */
export type OpenSession = (options?: {
  signal?: AbortSignal;
  onDiagnostic?: (message: string) => void;
}) => Promise<Coordination>;

export type CoordinationErrorCode =
  | "NO_NODE"
  | "NODE_EXISTS"
  | "BAD_VERSION"
  | "NOT_EMPTY"
  | "NO_CHILDREN_FOR_EPHEMERALS"
  | "NO_AUTH"
  | "AUTH_FAILED"
  | "BAD_ARGUMENTS"
  /** The operation may or may not have been carried out. */
  | "CONNECTION_LOSS"
  | "SESSION_EXPIRED"
  | "CLOSED"
  /** Any other error of the service. */
  | "SYSTEM";

/** The error class of all drivers. */
export class CoordinationError extends Error {
  override readonly name = "CoordinationError";
  readonly code: CoordinationErrorCode;
  readonly path: string | undefined;

  constructor(code: CoordinationErrorCode, message: string, options?: { path?: string; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.path = options?.path;
  }

  /** Whether `error` is a CoordinationError with one of these codes. */
  static is(error: unknown, ...codes: CoordinationErrorCode[]): error is CoordinationError {
    return error instanceof CoordinationError && (codes.length === 0 || codes.includes(error.code));
  }
}
