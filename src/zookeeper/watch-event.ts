/** What happened to a znode. `changed`: its data. `children`: one was created or deleted directly below it. */
export type ZnodeEventType = "created" | "deleted" | "changed" | "children";

/** What a watch is told. */
export interface WatchEvent {
  /**
   * Besides what happened to a znode: `session-lost`, when the session has ended, and the watch sees nothing more;
   * `removed`, by `removeWatches`. Only persistent watches are told `missed`: the connection was lost and is back, and
   * servers do not tell them what has happened meanwhile. Read again what matters.
   */
  readonly type: ZnodeEventType | "session-lost" | "removed" | "missed";
  /** The znode that it happened to, which for a recursive watch may be below the watched one. */
  readonly path: string;
}

/**
 * The listener of a watch. A one-shot watch calls it once, a persistent one for each event, in order. It is called before
 * the answer to any read that shows a later state: so it is a function, as a promise or an iterator would be told later
 * than the read. Nothing is queued for it, so a slow consumer has to bound a queue of its own.
 *
 * What it throws is thrown to the process, and keeps no other listener from being called.
 */
export type WatchListener = (event: WatchEvent) => void;
