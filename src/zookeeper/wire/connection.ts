import { connect, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import type { Failure } from "./diagnostics.ts";
import type { Endpoint } from "./endpoints.ts";
import { FrameReader } from "./frame-reader.ts";
import { ProtocolError } from "./jute.ts";
import { XID } from "./protocol.ts";

export interface ConnectionEvents {
  /** A packet, without its length. A ProtocolError that this throws ends the connection. */
  onPacket(packet: Buffer): void;
  /** The connection has ended. Called once, and nothing comes after it. */
  onEnd(failure: Failure): void;
}

/** A socket to one server, and the packets on it. */
export class Connection {
  /** When something was last received and last sent, in milliseconds of `performance.now`. */
  lastReadMs = performance.now();
  lastSentMs = performance.now();
  readonly #events: ConnectionEvents;
  readonly #socket: Socket;
  readonly #frames = new FrameReader();
  /** Packets of this turn of the event loop. They are sent together. */
  #outgoing: Uint8Array[] = [];
  /** A packet that waits for the next turn of the event loop. Those behind it wait too. */
  #heldBack: Buffer | undefined;
  #progress: "none" | "reached" | "open" = "none";
  /** Why the socket closed, while packets that came before are still to be delivered. */
  #closing: Failure | undefined;
  #ended = false;

  constructor(server: Endpoint, tls: ConnectionOptions | undefined, events: ConnectionEvents) {
    this.#events = events;
    this.#socket = openSocket(server, tls);
    this.#socket.setNoDelay(true);
    this.#socket.on("connect", () => {
      this.#progress = tls ? "reached" : "open";
    });
    this.#socket.on("secureConnect", () => {
      this.#progress = "open";
    });
    this.#socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    let detail = "the server closed the connection";
    this.#socket.on("error", (error) => {
      detail = error.message;
    });
    this.#socket.on("close", () => this.#close(detail));
  }

  /** Whether the server was reached. */
  get isReached(): boolean {
    return this.#progress !== "none";
  }

  send(packet: Uint8Array): void {
    if (this.#outgoing.length === 0) queueMicrotask(() => this.#flush());
    this.#outgoing.push(packet);
    this.lastSentMs = performance.now();
  }

  /** Ends the connection at once. Packets that were not delivered are dropped. */
  destroy(failure: Failure): void {
    this.#end(failure);
    this.#socket.destroy();
  }

  #flush(): void {
    const packets = this.#outgoing;
    this.#outgoing = [];
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat(packets));
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return;
    this.lastReadMs = performance.now();
    this.#frames.push(chunk);
    if (this.#heldBack === undefined) this.#handOn();
  }

  /**
   * Delivers the complete packets. An event that follows a reply waits for the next turn of the event loop, so that the
   * caller that awaits the reply has it before the event of a later change.
   */
  #handOn(): void {
    let replied = false;
    try {
      for (let packet = this.#nextPacket(); packet !== undefined; packet = this.#nextPacket()) {
        if (replied && isEvent(packet)) {
          this.#heldBack = packet;
          setImmediate(() => this.#handOn());
          return;
        }
        replied ||= !isEvent(packet);
        this.#events.onPacket(packet);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.destroy({ kind: "foreign", detail: error.message });
    }
    if (this.#closing !== undefined) this.#end(this.#closing);
  }

  #nextPacket(): Buffer | undefined {
    if (this.#ended) return undefined;
    const packet = this.#heldBack ?? this.#frames.next();
    this.#heldBack = undefined;
    return packet;
  }

  #close(detail: string): void {
    const kinds = { none: "unreachable", reached: "tls", open: "closed" } as const;
    this.#closing = { kind: kinds[this.#progress], detail };
    if (this.#heldBack === undefined) this.#end(this.#closing);
  }

  #end(failure: Failure): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events.onEnd(failure);
  }
}

/** A socket to a server, with TLS if there are options for it. */
export function openSocket({ host, address, port }: Endpoint, tls: ConnectionOptions | undefined): Socket {
  if (tls === undefined) return connect({ host: address, port });
  // A certificate is checked against this name; an IP address must not be sent as one (RFC 6066, section 3).
  const serverName = isIP(host) === 0 ? { servername: host } : {};
  return connectTls({ host: address, port, ...serverName, ...tls });
}

function isEvent(packet: Buffer): boolean {
  return packet.length >= 4 && packet.readInt32BE(0) === XID.event;
}
