import type { ConnectionOptions } from "node:tls";
import { Connection } from "./connection.ts";
import type { Failure } from "./diagnostics.ts";
import type { Endpoint } from "./endpoints.ts";
import { JuteReader, ProtocolError } from "./jute.ts";
import {
  authRequest,
  type ConnectRequest,
  type ConnectResponse,
  type Credentials,
  connectRequest,
  OP,
  type ReplyHeader,
  readConnectResponse,
  readReplyHeader,
  requestWriter,
  XID,
} from "./protocol.ts";

/** The length of a reply that has only a header. */
const REPLY_HEADER_BYTES = 16;

export interface AttachmentSettings {
  readonly server: Endpoint;
  /** Time limit for attaching the session. */
  readonly timeoutMs: number;
  readonly session: ConnectRequest;
  readonly credentials: readonly Credentials[];
  readonly tls: ConnectionOptions | undefined;
}

export interface AttachmentEvents {
  /** The server has accepted the session. Packets sent now follow the credentials. */
  onAccepted(response: ConnectResponse): void;
  /** The session has expired. */
  onExpired(): void;
  /** The server has accepted the credentials too: the session is attached. */
  onReady(response: ConnectResponse): void;
  /** A reply to a request, or an event of a watch. */
  onReply(header: ReplyHeader, body: JuteReader): void;
  /** The attachment has ended. Nothing comes after this. */
  onEnd(failure: Failure): void;
}

/** A session's attachment to one server: the handshake, then pings for as long as the server answers them. */
export class Attachment {
  readonly #settings: AttachmentSettings;
  readonly #events: AttachmentEvents;
  readonly #connection: Connection;
  #phase: "handshake" | "credentials" | "ready" | "ended" = "handshake";
  /** The granted time-out: the server ends the session after so long without a packet from it. */
  #sessionTimeoutMs = 0;
  /** What the answer to each of the credentials means, in the order in which they were sent. */
  readonly #authentications: ((error: number) => void)[] = [];
  #timer: NodeJS.Timeout;

  constructor(settings: AttachmentSettings, events: AttachmentEvents) {
    this.#settings = settings;
    this.#events = events;
    this.#connection = new Connection(settings.server, settings.tls, {
      onPacket: (packet) => this.#receive(new JuteReader(packet)),
      onEnd: (failure) => {
        this.#phase = "ended";
        clearTimeout(this.#timer);
        events.onEnd(failure);
      },
    });
    this.#timer = setTimeout(() => {
      const kind = this.#connection.isReached ? "silent" : "unreachable";
      this.#connection.destroy({ kind, detail: `no answer within ${settings.timeoutMs} ms` });
    }, settings.timeoutMs);
    this.send(connectRequest(settings.session));
  }

  send(packet: Uint8Array): void {
    this.#connection.send(packet);
  }

  /** Sends credentials. `onAnswer` gets the number of the error, or 0, unless the attachment ends before. */
  authenticate(credentials: Credentials, onAnswer: (error: number) => void): void {
    this.#authentications.push(onAnswer);
    this.send(authRequest(credentials));
  }

  destroy(failure: Failure): void {
    this.#connection.destroy(failure);
  }

  #receive(reader: JuteReader): void {
    if (this.#phase === "handshake") {
      if (reader.remaining === REPLY_HEADER_BYTES) this.#refused(readReplyHeader(reader));
      else this.#accept(readConnectResponse(reader));
      return;
    }
    const header = readReplyHeader(reader);
    if (header.xid === XID.ping) return;
    if (header.xid !== XID.auth) this.#events.onReply(header, reader);
    else this.#authentications.shift()?.(header.error);
  }

  /** Servers that have no majority answer a new session so, unless they have local sessions. */
  #refused({ error }: ReplyHeader): void {
    const detail = `it takes no new session: error ${error}; without a majority, it needs localSessionsEnabled`;
    this.destroy({ kind: "closed", detail });
  }

  #accept(response: ConnectResponse): void {
    const { session, credentials } = this.#settings;
    if (response.sessionId === 0n || response.timeoutMs <= 0) {
      if (session.sessionId === 0n) throw new ProtocolError("a new session that has expired");
      this.#events.onExpired();
      return;
    }
    if (response.readOnly && !session.readOnly) throw new ProtocolError("a server that only reads");
    this.#sessionTimeoutMs = response.timeoutMs;
    this.#phase = "credentials";
    let left = credentials.length;
    for (const each of credentials) {
      this.authenticate(each, (error) => {
        if (error !== 0) this.destroy({ kind: "auth", detail: `error ${error}` });
        else if (--left === 0) this.#ready(response);
      });
    }
    this.#events.onAccepted(response);
    if (left === 0) this.#ready(response);
  }

  #ready(response: ConnectResponse): void {
    this.#phase = "ready";
    clearTimeout(this.#timer);
    this.#watchOver();
    this.#events.onReady(response);
  }

  /**
   * Sends a ping when nothing was sent for a third of the session time-out. When nothing was received for two thirds,
   * the attachment ends: the last third is for finding another server.
   */
  #watchOver(): void {
    if (this.#phase !== "ready") return;
    const thirdMs = this.#sessionTimeoutMs / 3;
    const nowMs = performance.now();
    const silentMs = nowMs - this.#connection.lastReadMs;
    if (silentMs >= 2 * thirdMs) {
      this.destroy({ kind: "silent", detail: `nothing came for ${Math.round(silentMs)} ms` });
      return;
    }
    if (nowMs - this.#connection.lastSentMs >= thirdMs) this.send(requestWriter(XID.ping, OP.ping).packet());
    const nextMs = Math.min(this.#connection.lastReadMs + 2 * thirdMs, this.#connection.lastSentMs + thirdMs);
    // After the process was paused, the packets that came meanwhile are read before the next check.
    this.#timer = setTimeout(() => setImmediate(() => this.#watchOver()), Math.max(1, nextMs - nowMs));
  }
}
