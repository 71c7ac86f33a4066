import type { Transport } from "@connectrpc/connect";
import { createTransports, fullDuplex } from "#transport";
import { type Clock, systemClock } from "../common/clock.ts";
import { messageBytesLimit } from "../common/key-limits.ts";
import type { OpenDuplex } from "./transport/duplex.ts";

/** Everything that a client needs from outside. The simulation has its own. */
export interface Environment {
  readonly clock: Clock;
  /** Random bytes that no other client gets. */
  randomBytes(count: number): Uint8Array;
  /** Whether the client goes straight to the servers of the data by default. */
  readonly direct: boolean;
  /** Opens the connections of one client. */
  connect(): Connections;
}

/** Connections to servers, shared by the calls of one client. */
export interface Connections {
  /** The transport to `host:port` or a URL. Errors are as `Transports` of transport/http2.ts describes. */
  transportTo(address: string): Transport;
  /** Opens calls that stream in both directions. Undefined: there are none. */
  readonly duplexTo?: ((address: string) => OpenDuplex) | undefined;
  /** Ends all connections, and the calls on them. */
  close(): void;
}

export const systemEnvironment: Environment = {
  clock: systemClock,
  randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  direct: fullDuplex,
  connect: () => createTransports({ messageBytesMax: messageBytesLimit }),
};
