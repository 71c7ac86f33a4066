import {
  abortSignal,
  anything,
  count,
  durationMs,
  type Kinds,
  text,
  yesOrNo,
} from "../common/option-kinds.ts";

/** Options of every call. */
export interface CallOptions {
  /** Cancels the call, which then fails with `aborted`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that the call may take, including retries: above 0, or Infinity. Default: that of the client. */
  readonly deadlineMs?: number | undefined;
}

export const callKinds: Kinds<CallOptions> = { signal: abortSignal, deadlineMs: durationMs };

/** Options of a batch. */
export interface BatchOptions extends CallOptions {
  /**
   * Request id of the batch. With it, a program that was killed can send the same batch again after a restart. The batch
   * is applied only once, even if an earlier attempt is still in flight, as long as it is among the last 100,000 requests
   * of its group. 1 to 64 letters, digits, "-" and "_". Default: a new one for each batch.
   */
  readonly requestId?: string | undefined;
}

export const batchKinds: Kinds<BatchOptions> = { ...callKinds, requestId: text };

/** Options of a client. */
export interface KvClientOptions {
  /**
   * Routers of one cluster, as `http://host:port` or `host:port`. At least one, preferably all. The client uses one at a
   * time, and the next one when it fails. In browsers also `https:`, for routers behind a TLS proxy. TLS is not available
   * elsewhere yet.
   */
  readonly routers: string | readonly string[];
  /** Milliseconds that a call may take, including retries, unless the call has its own deadline. Default 10,000. */
  readonly deadlineMs?: number | undefined;
  /**
   * Whether to send calls directly to the data nodes. Otherwise the routers forward them. Default: true, except in
   * browsers, which often cannot reach the data nodes.
   */
  readonly direct?: boolean | undefined;
  /** Maximum number of calls in flight to one server. More calls wait. Default 10,000. */
  readonly operationsInFlightMax?: number | undefined;
  /** Maximum number of bytes of calls in flight to one server. More calls wait. Default 8 MiB. */
  readonly bytesInFlightMax?: number | undefined;
}

export const clientKinds: Kinds<KvClientOptions> = {
  routers: anything,
  deadlineMs: durationMs,
  direct: yesOrNo,
  operationsInFlightMax: count,
  bytesInFlightMax: count,
};
