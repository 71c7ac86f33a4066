import { type ContextKey, createContextKey } from "@connectrpc/connect";

/** Room for what a server holds for a call: first its request, and then its answer. */
export interface CallRoom {
  /** Takes this many bytes instead of those that it has. False: there is no room, and it keeps what it has. */
  hold(bytes: number): boolean;
  /** Likewise. Errors: ConnectError RESOURCE_EXHAUSTED (there is no room). */
  require(bytes: number): void;
}

/** The room of a call, in its context. Without a connection, there is always room. */
export const callRoom: ContextKey<CallRoom> = createContextKey({ hold: () => true, require() {} });
