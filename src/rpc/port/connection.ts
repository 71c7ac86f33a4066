import type { Http2Session } from "node:http2";
import { constants } from "node:http2";
import type { Socket } from "node:net";
import type { CallRoom } from "../call-room.ts";
import { HeldBytes, noRoom } from "./held-bytes.ts";

export interface ConnectionLimits {
  /** A new connection must bring a whole request head within this time. */
  readonly headTimeoutMs: number;
  /** The client must send a message, and read its answer, within this time. Messages in streams are exempt. */
  readonly messageTimeoutMs: number;
  /** A connection without calls is closed after this time. */
  readonly idleTimeoutMs: number;
  /**
   * While an HTTP/2 connection has calls, the server sends a PING this often, and the client must answer within the same
   * time. While the client reads what it is sent, however slowly, it has `messageTimeoutMs`.
   */
  readonly pingIntervalMs: number;
  /**
   * Bytes of the requests and unread answers of all calls of a connection together. Of streams, only the message of the
   * request that is not whole counts. Must leave room for the longest message.
   */
  readonly heldBytesMax: number;
}

/** Which sides of a call are streams. Their messages are due at no time: a stream may last. */
export interface Streams {
  readonly in: boolean;
  readonly out: boolean;
}

export interface CallOptions {
  readonly messageTimeoutMs: number;
  readonly streams: Streams;
  /** Whether the whole request has come. */
  readonly isReceived: () => boolean;
  /** Gives up on the call. */
  readonly cut: () => void;
}

/** A call and what its client still has to do for it. */
export class Call implements CallRoom {
  readonly #connection: Connection | undefined;
  readonly #messageTimeoutMs: number;
  readonly #streams: Streams;
  readonly #isReceived: () => boolean;
  readonly #cut: () => void;
  /** When the client must have sent its message or read the answer; undefined while neither is due. */
  #dueAt: number | undefined;
  #heldBytes = 0;
  #isOver = false;

  /** Without a connection nothing is tracked. */
  constructor(connection: Connection | undefined, options: CallOptions) {
    this.#connection = connection;
    this.#messageTimeoutMs = options.messageTimeoutMs;
    this.#streams = options.streams;
    this.#isReceived = options.isReceived;
    this.#cut = options.cut;
    if (!options.streams.in) this.#dueAt = performance.now() + options.messageTimeoutMs;
    connection?.begin(this);
  }

  /** Whether the client has more to send, or must be there for as long as the answer lasts. */
  get needsClient(): boolean {
    return this.#streams.out || !this.#isReceived();
  }

  /** The whole request has been read. */
  received(): void {
    this.#dueAt = undefined;
  }

  /** The answer is complete: the client must read it now. */
  answered(): void {
    if (!this.#streams.out) this.#dueAt = performance.now() + this.#messageTimeoutMs;
  }

  /** A part of the answer has begun or ceased to wait for the client. */
  waited(): void {
    this.#connection?.waited();
  }

  hold(bytes: number): boolean {
    if (this.#connection === undefined || this.#isOver) return true;
    if (!this.#connection.held.change(this.#heldBytes, bytes)) return false;
    this.#heldBytes = bytes;
    return true;
  }

  require(bytes: number): void {
    if (!this.hold(bytes)) throw noRoom(this.#connection?.held.max ?? 0);
  }

  /** The call is over for both sides. */
  ended(): void {
    this.hold(0);
    this.#isOver = true;
    this.#connection?.end(this);
  }

  /** Gives up on the call if its client does not do its part. */
  sweep(now: number): void {
    if (this.#dueAt !== undefined && now > this.#dueAt) this.#cut();
  }

  cut(): void {
    this.#cut();
  }
}

/** Calls at once on one connection. HTTP/2 clients are told of it; HTTP/1.1 has no way to say it. */
export const callsMax = 1_000;

const requestTimeout = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/** One accepted connection: the calls on it, and the limits that it must keep. */
export class Connection {
  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  /** For its calls. */
  readonly held: HeldBytes;
  #session: Http2Session | undefined;
  readonly #calls = new Set<Call>();
  /** When it was opened, or its last call ended. */
  #idleSince = performance.now();
  /** Whether a whole request head ever came. */
  #served = false;
  /** When the last PING was sent, and whether its answer is still due. */
  #pingedAt = performance.now();
  #pingDue = false;
  /** When a part of an answer last began or ceased to wait for the client. */
  #waitedAt = Number.NEGATIVE_INFINITY;
  /** As of the last sweep. */
  #bytesRead = 0;
  /** Whether the client was told to go. */
  #retired = false;
  readonly #onIdle: (connection: Connection) => void;

  /** `onIdle` is called when its last call has ended. */
  constructor(socket: Socket, limits: ConnectionLimits, onIdle: (connection: Connection) => void) {
    this.#socket = socket;
    this.#limits = limits;
    this.held = new HeldBytes(limits.heldBytesMax);
    this.#onIdle = onIdle;
    socket.once("end", () => setImmediate(() => this.#endHalf()));
  }

  /** Whether it has no calls and was not told to go. */
  get isSpare(): boolean {
    return !this.#retired && this.#calls.size === 0;
  }

  /** Its HTTP/2 session, as soon as there is one. */
  attach(session: Http2Session): void {
    this.#session = session;
  }

  /** Counts a call until its `end`. */
  begin(call: Call): void {
    this.#served = true;
    this.#calls.add(call);
    if (this.#session === undefined && this.#calls.size > callsMax) this.#socket.destroy();
  }

  end(call: Call): void {
    if (!this.#calls.delete(call) || this.#calls.size > 0) return;
    this.#idleSince = performance.now();
    this.#onIdle(this);
  }

  waited(): void {
    this.#waitedAt = performance.now();
  }

  /** Tells the client to go, once its calls are done. */
  retire(): void {
    if (this.#calls.size === 0) this.retireIdle();
    else this.#session?.goaway(constants.NGHTTP2_NO_ERROR);
  }

  /** Tells a client without calls to go. */
  retireIdle(): void {
    this.#retired = true;
    if (this.#session !== undefined) this.#session.close();
    else this.#socket.end(() => this.#socket.destroy());
  }

  /** Ends it at once, by its socket: on Bun and Deno a destroyed session looks well to the client, which waits for ever. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Holds it to its limits. */
  sweep(now: number): void {
    if (this.#retired) {
      this.#socket.destroy();
    } else if (this.#calls.size === 0) {
      const limitMs = this.#served ? this.#limits.idleTimeoutMs : this.#limits.headTimeoutMs;
      if (now - this.#idleSince <= limitMs) return;
      if (!this.#served && this.#session === undefined) this.#socket.write(requestTimeout);
      this.retireIdle();
    } else {
      for (const call of this.#calls) call.sweep(now);
      if (this.#session !== undefined) this.#keepAlive(this.#session, now);
    }
  }

  /** A client that vanished silently would otherwise hold its streams for ever. */
  #keepAlive(session: Http2Session, now: number): void {
    const { bytesRead } = this.#socket;
    // The answer to a PING may be behind a long message. (Bun does not show this: there it stays 0.)
    if (bytesRead > this.#bytesRead) this.#pingedAt = now;
    this.#bytesRead = bytesRead;
    if (now - this.#pingedAt <= this.#limits.pingIntervalMs) return;
    if (this.#pingDue) {
      // Likewise, the PING may be behind what a slow client has still to read.
      if (now - this.#waitedAt > this.#limits.messageTimeoutMs) this.#socket.destroy();
      return;
    }
    this.#pingedAt = now;
    this.#pingDue = session.ping(() => {
      this.#pingDue = false;
    });
  }

  /**
   * An HTTP/1.1 client that closes its side may wait for one answer (RFC 9112, 9.6), but not for a stream: if it has gone
   * altogether, that would show only at the next write. A request that is not whole by now never will be.
   */
  #endHalf(): void {
    if (this.#socket.writableEnded) return;
    for (const call of this.#calls) if (call.needsClient) call.cut();
  }
}
