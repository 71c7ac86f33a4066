import { constants, type Http2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { keepMoving } from "./bun-stall-workaround.ts";
import { Call, Connection, type ConnectionLimits, type Streams } from "./connection.ts";
import type { Request, Response } from "./http.ts";

/** Longest time between two sweeps: how late the limits may be kept. */
const sweepMsMax = 1_000;

/** The open connections of a listener. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #bySocket = new Map<Socket, Connection>();
  readonly #bySession = new WeakMap<Http2Session, Connection>();
  /** One timer for all: to set and clear one for each call would cost more than the rest of the bookkeeping. */
  readonly #sweeper: ReturnType<typeof setInterval>;
  #retiring = false;
  #onEmpty: (() => void) | undefined;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
    const { heldBytesMax: _, ...times } = limits;
    const sweepMs = Math.min(sweepMsMax, Math.ceil(Math.min(...Object.values(times)) / 4));
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs);
  }

  get size(): number {
    return this.#bySocket.size;
  }

  /** Tells the first client without calls to go. Returns whether there is one. */
  makeRoom(): boolean {
    for (const connection of this.#bySocket.values()) {
      if (!connection.isSpare) continue;
      connection.retireIdle();
      return true;
    }
    return false;
  }

  /** Takes charge of an accepted socket. */
  open(socket: Socket): void {
    const connection = new Connection(socket, this.#limits, (idle) => {
      if (this.#retiring) idle.retireIdle();
    });
    this.#bySocket.set(socket, connection);
    socket.once("close", () => {
      this.#bySocket.delete(socket);
      if (this.#bySocket.size === 0) this.#onEmpty?.();
    });
  }

  /** Says which HTTP/2 session runs on a socket. */
  attach(session: Http2Session, socket: Socket): void {
    const connection = this.#bySocket.get(socket);
    if (connection === undefined) return;
    connection.attach(session);
    this.#bySession.set(session, connection);
  }

  /** Follows a call until its response closes. */
  begin(request: Request, response: Response, streams: Streams): Call {
    const session = "stream" in request ? request.stream.session : undefined;
    const connection =
      session === undefined ? this.#bySocket.get(request.socket) : this.#bySession.get(session);
    const call = new Call(connection, {
      messageTimeoutMs: this.#limits.messageTimeoutMs,
      streams,
      isReceived: () => request.complete,
      cut: () => cut(request),
    });
    request.once("end", () => call.received());
    response.once("close", () => call.ended());
    if (session !== undefined && streams.out) keepMoving(session, response);
    return call;
  }

  /** Follows a call over HTTP/2 until its `ended`. */
  beginOnStream(stream: ServerHttp2Stream, streams: Streams): Call {
    const { session } = stream;
    if (session !== undefined && streams.out) keepMoving(session, stream);
    return new Call(session && this.#bySession.get(session), {
      messageTimeoutMs: this.#limits.messageTimeoutMs,
      streams,
      isReceived: () => stream.readableEnded,
      cut: () => stream.close(constants.NGHTTP2_CANCEL),
    });
  }

  /** Tells every client to go, once its calls are done. Resolves when all have gone. */
  retire(): Promise<void> {
    this.#retiring = true;
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
      for (const connection of this.#bySocket.values()) connection.retire();
      if (this.#bySocket.size === 0) resolve();
    });
  }

  /** Ends what is left at once. */
  destroy(): void {
    clearInterval(this.#sweeper);
    for (const connection of this.#bySocket.values()) connection.destroy();
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of this.#bySocket.values()) connection.sweep(now);
  }
}

/** Gives up on a call whose client does not do its part. */
function cut(request: Request): void {
  if ("stream" in request) request.stream.close(constants.NGHTTP2_CANCEL);
  else request.socket.destroy();
}
