import type { ConnectionOptions } from "node:tls";
import { ClientSession } from "../client-session.ts";
import { CoordinationError } from "../coordination.ts";
import { addChroot, stripChroot } from "../paths.ts";
import type { WatchKind } from "../watches.ts";
import { Attachment } from "./attachment.ts";
import type { ServerAddress } from "./connect-string.ts";
import { createDiagnostics, type Failure } from "./diagnostics.ts";
import { type Attempt, HostProvider } from "./host-provider.ts";
import type { JuteReader } from "./jute.ts";
import {
  type ConnectResponse,
  OP,
  type ReplyHeader,
  readEvent,
  setWatchesRequests,
  XID,
} from "./protocol.ts";
import { type Operation, Requests } from "./requests.ts";

/** How long `close` tries to reach a server. */
const CLOSE_MS_MAX = 2000;

export interface SessionSettings {
  readonly servers: readonly ServerAddress[];
  /** Path below which the session's watches are; "" when it is the root. */
  readonly chroot: string;
  /** The session time-out to ask for. Servers have limits of their own. */
  readonly sessionTimeoutMs: number;
  /** Digest credentials `user:password`. */
  readonly credentials: string | undefined;
  readonly tls: ConnectionOptions | undefined;
  readonly onDiagnostic: (message: string) => void;
}

/**
 * A session. It is attached to one server after another, and looks for the first one at once. When it loses a server it
 * is `disconnected`, however long that takes: only a server can say that a session has expired.
 */
export class Session {
  /** To be used once the session is open. */
  readonly client = new ClientSession();
  readonly #settings: SessionSettings;
  readonly #rounds: HostProvider;
  readonly #requests = new Requests();
  readonly #opened = Promise.withResolvers<void>();
  #wasOpened = false;
  /** Aborted when the session needs nothing any more. */
  readonly #over = new AbortController();
  #closed: Promise<void> | undefined;
  #attachment: Attachment | undefined;
  /** As granted by the last server. */
  #sessionTimeoutMs: number;
  #id = 0n;
  #password: Uint8Array = new Uint8Array(16);
  /** The newest transaction in any reply so far. */
  #lastZxid = 0n;

  constructor(settings: SessionSettings) {
    this.#settings = settings;
    this.#sessionTimeoutMs = settings.sessionTimeoutMs;
    this.#rounds = new HostProvider(settings.servers, createDiagnostics(settings.onDiagnostic));
    this.#run();
  }

  /** The owner of this session's ephemeral znodes. */
  get id(): bigint {
    return this.#id;
  }

  /** Resolves when the session is attached for the first time. Errors: AUTH_FAILED. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  perform<T>(operation: Operation<T>, options: { sequential?: boolean } = {}): Promise<T> {
    return this.client.perform(operation.path, (end) => this.#send(operation, end), options);
  }

  /**
   * Ends the session, so that its ephemeral znodes are deleted at once, if a server can be reached within two seconds.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#over.signal.aborted) return;
    const over = new Promise((resolve) => {
      this.#over.signal.addEventListener("abort", resolve, { once: true });
    });
    const timer = setTimeout(() => this.#finish(), CLOSE_MS_MAX);
    const connected = this.#wasOpened && this.client.state === "connected";
    this.client.finish("closed");
    if (connected) this.#sayGoodbye();
    if (this.#id === 0n) this.#finish();
    await over;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      const attempt = await this.#rounds.next(this.#sessionTimeoutMs, signal);
      if (!signal.aborted) await this.#attach(attempt);
    }
  }

  /** Resolves when the connection of this attempt has ended. */
  #attach({ server, timeoutMs }: Attempt): Promise<void> {
    const { sessionTimeoutMs, credentials, tls } = this.#settings;
    const session = {
      sessionId: this.#id,
      password: this.#password,
      lastZxid: this.#lastZxid,
      timeoutMs: sessionTimeoutMs,
    };
    let readyMs: number | undefined;
    return new Promise((resolve) => {
      this.#attachment = new Attachment(
        { server, timeoutMs, session, credentials, tls },
        {
          onAccepted: (response) => this.#accept(response),
          onExpired: () => this.#expire(),
          onReady: () => {
            readyMs = performance.now();
            this.#ready();
          },
          onReply: (header, body) => this.#receive(header, body),
          onEnd: (failure) => {
            this.#detach(server, failure, readyMs === undefined ? 0 : performance.now() - readyMs);
            resolve();
          },
        },
      );
    });
  }

  #accept({ sessionId, password, timeoutMs }: ConnectResponse): void {
    this.#id = sessionId;
    this.#password = password;
    this.#sessionTimeoutMs = timeoutMs;
    const paths = (kind: WatchKind) =>
      this.client.watches.paths(kind).map((path) => addChroot(this.#settings.chroot, path));
    const watches = { data: paths("data"), exists: paths("exists"), children: paths("children") };
    for (const packet of setWatchesRequests(this.#lastZxid, watches)) this.#attachment?.send(packet);
  }

  #ready(): void {
    if (this.client.over) {
      this.#sayGoodbye();
      return;
    }
    this.#wasOpened = true;
    this.#opened.resolve();
    this.client.connected();
  }

  #receive(header: ReplyHeader, body: JuteReader): void {
    if (header.xid === XID.event) {
      const told = readEvent(body);
      if (told === undefined) return;
      this.client.watches.fire(told.event, stripChroot(this.#settings.chroot, told.path));
    } else if (header.xid === XID.setWatches) {
      if (header.error === 0) return;
      this.#attachment?.destroy({
        kind: "closed",
        detail: `error ${header.error} when watches were set again`,
      });
    } else {
      if (header.zxid > 0n) this.#lastZxid = header.zxid;
      this.#requests.settle(header, body);
    }
  }

  #detach(server: ServerAddress, failure: Failure, attachedMs: number): void {
    this.#attachment = undefined;
    this.#requests.forget();
    if (this.#over.signal.aborted) return;
    if (this.#wasOpened) this.client.disconnected();
    else if (failure.kind === "auth") {
      this.#opened.reject(new CoordinationError("AUTH_FAILED", "ZooKeeper refuses the credentials"));
      this.#finish();
      return;
    }
    this.#rounds.ended(server, failure, attachedMs);
  }

  #expire(): void {
    this.#finish();
    this.client.finish("expired");
  }

  #send<T>(operation: Operation<T>, end: (answer: () => T) => void): void {
    this.#requests.perform(operation, (packet) => this.#attachment?.send(packet), end);
  }

  /** If the connection breaks before the answer, the next server is told. */
  #sayGoodbye(): void {
    const operation = { type: OP.closeSession, name: "close", path: "/", write() {}, read() {} };
    this.#send(operation, () => this.#finish());
  }

  /** Ends all that is under way. */
  #finish(): void {
    this.#over.abort();
    this.#attachment?.destroy({ kind: "closed", detail: "the session is over" });
  }
}
