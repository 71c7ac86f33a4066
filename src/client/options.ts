import { abortSignal, anything, count, durationMs, type Kinds, text, yesOrNo } from "./options-check.ts";

/** What every call takes. */
export interface CallOptions {
  /** Gives the call up; it then fails with `aborted`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that the call may take, retries included; above 0, or Infinity. Default: as the client's. */
  readonly deadlineMs?: number | undefined;
}

export const callKinds: Kinds<CallOptions> = { signal: abortSignal, deadlineMs: durationMs };

/** What a batch takes. */
export interface BatchOptions extends CallOptions {
  /**
   * Names the batch, for a program that may be ended and then sends the very same again: it is done once, as long as the
   * group remembers its last 100,000 requests, and what is on its way of an earlier attempt changes nothing any more.
   * 1 to 64 letters, digits, "-" and "_". Default: a name of its own.
   */
  readonly requestId?: string | undefined;
}

export const batchKinds: Kinds<BatchOptions> = { ...callKinds, requestId: text };

/** How a client is set up. */
export interface KvClientOptions {
  /**
   * Routers of one cluster, as `http://host:port` or `host:port`: one at least, better all. One is asked at a time; when
   * it fails, the next. In browsers also `https:`, where a proxy speaks TLS; elsewhere there is no TLS yet.
   */
  readonly routers: string | readonly string[];
  /** Milliseconds that a call may take, retries included, unless it says otherwise. Default 10,000. */
  readonly deadlineMs?: number | undefined;
  /**
   * Whether calls go straight to the data nodes; if not, the routers pass them on. Default true, but in browsers,
   * which often cannot reach the data nodes.
   */
  readonly direct?: boolean | undefined;
  /** Calls under way to one server at a time; more wait for their turn. Default 10,000. */
  readonly operationsInFlightMax?: number | undefined;
  /** Bytes of calls under way to one server at a time; more wait for their turn. Default 8 MiB. */
  readonly bytesInFlightMax?: number | undefined;
}

export const clientKinds: Kinds<KvClientOptions> = {
  routers: anything,
  deadlineMs: durationMs,
  direct: yesOrNo,
  operationsInFlightMax: count,
  bytesInFlightMax: count,
};
