/**
 * What kvlab needs of a coordination service, in the terms of ZooKeeper. One object is one session.
 *
 * Three drivers implement it: our own wire client, the native npm client and the embedded one. All of them pass
 * the same conformance suite.
 */

/** Lifetime and naming of a new znode. */
export type CreateMode = "persistent" | "persistent-sequential" | "ephemeral" | "ephemeral-sequential";

/** Who may write our znodes: everybody, or only the holder of the session's digest credentials. All may read. */
export type Access = "open" | "creator-writes";

/** What is known about a znode besides its data. Transaction ids (zxid) are decimal strings: they have 64 bits. */
export interface Stat {
  /** Transaction that created the znode. Never the same for two znodes, nor for two lives of one path. */
  readonly czxid: string;
  /** Number of changes to the data; what `set` and `delete` compare with. */
  readonly version: number;
  /** Whether the znode goes with the session that made it. */
  readonly ephemeral: boolean;
  /** Whether this session made it, and it is ephemeral. */
  readonly own: boolean;
  readonly childCount: number;
}

/** What a watch reports. Each watch reports once; `session-lost` means that it will never see anything. */
export type WatchEvent = "created" | "deleted" | "changed" | "children" | "session-lost";

export type Watcher = (event: WatchEvent, path: string) => void;

/**
 * `connected`: operations go to a server. `disconnected`: operations fail at once with CONNECTION_LOSS, the session
 * may still come back with all that it holds. `expired` and `closed` are final: its ephemeral znodes are gone or will
 * go, its watches have been told `session-lost`.
 */
export type SessionState = "connected" | "disconnected" | "expired" | "closed";

export interface Coordination {
  readonly state: SessionState;

  /** Calls `listener` after every change of `state`, in order. Returns how to stop that. */
  onState(listener: (state: SessionState) => void): () => void;

  /**
   * Makes a znode and returns its path (with the number that a sequential mode appends).
   * Errors: NODE_EXISTS, NO_NODE (no parent), NO_CHILDREN_FOR_EPHEMERALS, NO_AUTH.
   */
  create(path: string, data: Uint8Array, mode: CreateMode, access?: Access): Promise<string>;

  /** Data and stat of a znode. Errors: NO_NODE (a given watcher is then not set), NO_AUTH. */
  get(path: string, watcher?: Watcher): Promise<{ data: Uint8Array; stat: Stat }>;

  /** Stat of a znode, or undefined when there is none; a watcher is set in both cases. */
  exists(path: string, watcher?: Watcher): Promise<Stat | undefined>;

  /** Names (not paths) of the children, in no order. Errors: NO_NODE (a given watcher is then not set). */
  children(path: string, watcher?: Watcher): Promise<string[]>;

  /** Replaces the data if the version is still the given one. Errors: BAD_VERSION, NO_NODE, NO_AUTH. */
  set(path: string, data: Uint8Array, version: number): Promise<Stat>;

  /** Removes a znode if the version is still the given one. Errors: BAD_VERSION, NO_NODE, NOT_EMPTY, NO_AUTH. */
  delete(path: string, version: number): Promise<void>;

  /** Waits until later reads of this session see everything that was written anywhere before this call. */
  sync(path: string): Promise<void>;

  /** Ends the session so that its ephemeral znodes go at once. Waits a bounded time; never fails. */
  close(): Promise<void>;
}

/**
 * Opens a session. Waits until a server has accepted it; tries again for as long as it takes.
 * `onDiagnostic` is told in words, once per kind of trouble, what to check. Aborting `signal` rejects with its reason.
 * Errors: BAD_ARGUMENTS (the connect string is malformed), AUTH_FAILED.
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
  /** The operation may or may not have happened. */
  | "CONNECTION_LOSS"
  | "SESSION_EXPIRED"
  | "CLOSED"
  /** Anything else that the service answered. */
  | "SYSTEM";

/** Every error of every driver. */
export class CoordinationError extends Error {
  override readonly name = "CoordinationError";
  readonly code: CoordinationErrorCode;
  readonly path: string | undefined;

  constructor(code: CoordinationErrorCode, message: string, options?: { path?: string; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.path = options?.path;
  }

  /** Whether `error` is one of ours with this code. */
  static is(error: unknown, ...codes: CoordinationErrorCode[]): error is CoordinationError {
    return error instanceof CoordinationError && (codes.length === 0 || codes.includes(error.code));
  }
}
