import { once } from "node:events";
import { invariant } from "../../common/invariant.ts";
import { ZooKeeperError } from "../errors.ts";
import { SessionStates } from "../session-state.ts";
import { SessionWatches, type Watch } from "../watches/session-watches.ts";
import type { Attachment } from "./attachment.ts";
import { Attachments, type AttachmentsSettings, type Beginning } from "./attachments.ts";
import { Authentications } from "./authentications.ts";
import type { ServerAddress } from "./connect-string.ts";
import type { Failure } from "./diagnostics.ts";
import type { JuteReader } from "./jute.ts";
import type { Operation } from "./operation.ts";
import { type ConnectResponse, type Credentials, OP, type ReplyHeader, readEvent, XID } from "./protocol.ts";
import { type Request, Requests } from "./requests.ts";
import { setWatchesRequests } from "./set-watches.ts";

/** How long `close` tries to reach a server. */
const CLOSE_MS_MAX = 2000;

/** What a server knows a session by. The password is a secret. */
export interface SessionIdentity {
  readonly sessionId: bigint;
  /** 16 bytes. */
  readonly password: Uint8Array;
}

export interface SessionSettings extends AttachmentsSettings {
  /** Path below which the session's watches are; "" when it is the root. */
  readonly chroot: string;
  /** The session time-out to ask for. Servers have limits of their own. */
  readonly sessionTimeoutMs: number;
  readonly credentials: readonly Credentials[];
  /** Whether a server that has no majority will do for reading. */
  readonly readOnly: boolean;
  /** The session of an earlier process to go on with. */
  readonly resume: SessionIdentity | undefined;
}

const NO_SESSION: SessionIdentity = { sessionId: 0n, password: new Uint8Array(16) };

/**
 * A session. It is attached to one server after another, and looks for the first one at once. When it loses a server it
 * is `disconnected`, however long that takes: only a server can say that a session has expired.
 */
export class Session {
  readonly states = new SessionStates();
  readonly watches: SessionWatches;
  readonly #settings: SessionSettings;
  readonly #attachments: Attachments;
  readonly #requests: Requests;
  readonly #authentications: Authentications;
  readonly #opened = Promise.withResolvers<void>();
  #wasOpened = false;
  #closed: Promise<void> | undefined;
  /** As granted by the last server. */
  #sessionTimeoutMs: number;
  #identity: SessionIdentity;
  /** Whether the ensemble knows the session. A server that only reads makes up its own. */
  #isKnown: boolean;
  /** The newest transaction in any reply so far. */
  #lastZxid = 0n;

  constructor(settings: SessionSettings) {
    this.#settings = settings;
    this.#sessionTimeoutMs = settings.sessionTimeoutMs;
    this.#identity = settings.resume ?? NO_SESSION;
    this.#isKnown = settings.resume !== undefined;
    this.watches = new SessionWatches(settings.chroot);
    this.#requests = new Requests(this.watches);
    this.#authentications = new Authentications(settings.credentials);
    this.#attachments = new Attachments(settings, () => this.#begin(), {
      onAccepted: (response) => this.#accept(response),
      onExpired: () => this.#expire(),
      onReady: (response) => this.#ready(response),
      onReply: (header, body) => this.#receive(header, body),
      onEnd: (failure) => this.#detach(failure),
    });
    // Whoever opened the session may have given it up before.
    this.#opened.promise.catch(() => {});
    this.#attachments.run();
  }

  /** Resolves when the session is attached for the first time. Errors: AUTH_FAILED; SESSION_EXPIRED of a resumed one. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  get identity(): SessionIdentity {
    return this.#identity;
  }

  get sessionTimeoutMs(): number {
    return this.#sessionTimeoutMs;
  }

  /**
   * Sends a request. Errors, thrown: CONNECTION_LOSS, SESSION_EXPIRED and CLOSED, when there is no server to send it to;
   * BAD_ARGUMENTS, when it is too long. Errors of the answer: those of the operation; CONNECTION_LOSS and CLOSED.
   */
  request<T>(operation: Operation<T>): Request<T> {
    const attachment = this.#attached(operation.name, operation.path);
    return this.#requests.start(operation, (packet) => attachment.send(packet));
  }

  /** Gives the session an identity more, also after a reconnect. Errors: as `request`; of the answer: AUTH_FAILED. */
  authenticate(credentials: Credentials): Request<void> {
    return this.#authentications.start(credentials, this.#attached("addAuth", credentials.scheme));
  }

  /** From now on tries these members of the ensemble before the servers of the settings. None at all changes nothing. */
  preferMembers(members: readonly ServerAddress[]): void {
    this.#attachments.prefer(members);
  }

  /**
   * Sets the watches of a path on the server again, also persistent ones that it is being asked for: one-shot ones alone
   * would take their place. One-shot ones that have something to tell since fire at once.
   */
  renewWatches(path: string): void {
    this.#setWatches((kind) => (this.watches.hasOrAsks(kind, path) ? [path] : []));
  }

  /**
   * Ends the session, so that its ephemeral znodes are deleted at once, if a server can be reached within two seconds.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { over } = this.#attachments;
    if (over.aborted) return;
    const ended = once(over, "abort");
    const timer = setTimeout(() => this.#attachments.end(), CLOSE_MS_MAX);
    const wasAttached = this.states.isAttached;
    this.#end("closed");
    if (wasAttached) this.#sayGoodbye();
    if (this.#identity.sessionId === 0n) this.#attachments.end();
    await ended;
    clearTimeout(timer);
  }

  #begin(): Beginning {
    const { sessionTimeoutMs: timeoutMs, readOnly } = this.#settings;
    const identity = this.#isKnown ? this.#identity : NO_SESSION;
    return {
      session: { ...identity, lastZxid: this.#lastZxid, timeoutMs, readOnly },
      credentials: this.#authentications.credentials,
      grantedTimeoutMs: this.#sessionTimeoutMs,
    };
  }

  #accept({ sessionId, password, timeoutMs, readOnly }: ConnectResponse): void {
    this.#identity = { sessionId, password };
    this.#isKnown ||= !readOnly;
    this.#sessionTimeoutMs = timeoutMs;
    this.#setWatches((kind) => this.watches.paths(kind));
  }

  #ready({ readOnly }: ConnectResponse): void {
    // Before the state, so that what its listeners read is newer.
    if (this.#wasOpened) this.watches.missed();
    // It may have been closed meanwhile, also by a listener just now.
    if (this.states.isOver) {
      this.#sayGoodbye();
      return;
    }
    this.#wasOpened = true;
    this.#opened.resolve();
    this.states.enter(readOnly ? "read-only" : "connected");
  }

  #receive(header: ReplyHeader, body: JuteReader): void {
    if (header.xid === XID.event) {
      const told = readEvent(body);
      if (told !== undefined) this.watches.fire(told.type, told.path);
    } else if (header.xid === XID.setWatches) {
      if (header.error === 0) return;
      this.#attachments.current?.destroy({
        kind: "closed",
        detail: `error ${header.error} when watches were set again`,
      });
    } else {
      if (header.zxid > 0n) this.#lastZxid = header.zxid;
      // A follower goes on answering pings and reads: nothing but a write may ever tell that the session is over.
      if (this.#requests.settle(header, body)) this.#expire();
    }
  }

  #detach(failure: Failure): void {
    if (!this.#attachments.over.aborted) {
      if (!this.#wasOpened && failure.kind === "auth") {
        this.#opened.reject(new ZooKeeperError("AUTH_FAILED", "ZooKeeper refuses the credentials"));
        this.#attachments.end();
      }
      this.states.enter("disconnected");
    }
    this.#abandonAll("CONNECTION_LOSS", "the connection was lost before the answer came");
    this.#requests.forget();
  }

  #expire(): void {
    if (!this.#wasOpened && this.#settings.resume === undefined) {
      // Nobody has used it yet: the next server gives another one.
      this.#isKnown = false;
      this.#attachments.current?.destroy({
        kind: "closed",
        detail: "the session expired before it was used",
      });
      return;
    }
    this.#opened.reject(new ZooKeeperError("SESSION_EXPIRED", "the session to resume has expired"));
    this.#attachments.end();
    this.#end("expired");
  }

  #setWatches(pathsOf: (kind: Watch["kind"]) => readonly string[]): void {
    for (const packet of setWatchesRequests(this.#lastZxid, pathsOf)) this.#attachments.current?.send(packet);
  }

  #attached(name: string, path: string): Attachment {
    const refusal = this.states.refusal(name, path);
    if (refusal !== undefined) throw refusal;
    const { current } = this.#attachments;
    invariant(current !== undefined, "a session that is connected has no connection");
    return current;
  }

  /** If the connection breaks before the answer, the next server is told. */
  #sayGoodbye(): void {
    const operation: Operation<void> = {
      type: OP.closeSession,
      name: "close",
      path: "/",
      effect: "write",
      write() {},
      read: () => this.#attachments.end(),
    };
    this.#requests
      .start(operation, (packet) => this.#attachments.current?.send(packet))
      .answer.catch(() => {});
  }

  /** Ends the session for its users. */
  #end(state: "expired" | "closed"): void {
    if (this.states.isOver) return;
    this.states.enter(state);
    if (state === "expired") this.#abandonAll("SESSION_EXPIRED", "the session has expired");
    else this.#abandonAll("CLOSED", "the session was closed");
    this.watches.lose();
  }

  #abandonAll(code: "CONNECTION_LOSS" | "SESSION_EXPIRED" | "CLOSED", problem: string): void {
    this.#requests.abandonAll(code, problem);
    this.#authentications.abandonAll(code, problem);
  }
}
