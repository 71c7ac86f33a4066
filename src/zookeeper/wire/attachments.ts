import type { ConnectionOptions } from "node:tls";
import { Attachment, type AttachmentEvents, type AttachmentSettings } from "./attachment.ts";
import type { ServerAddress, ServerSource } from "./connect-string.ts";
import { createDiagnostics, type Failure } from "./diagnostics.ts";
import { EndpointResolver, type NameService } from "./endpoints.ts";
import { type Attempt, HostProvider } from "./host-provider.ts";
import { findReadWrite } from "./read-write-search.ts";

export interface AttachmentsSettings {
  readonly source: ServerSource;
  readonly tls: ConnectionOptions | undefined;
  readonly names: NameService;
  readonly onDiagnostic: (message: string) => void;
}

/** What a new attachment of the session begins with. */
export interface Beginning extends Pick<AttachmentSettings, "session" | "credentials"> {
  /** As granted by the last server; before, as asked for. */
  readonly grantedTimeoutMs: number;
}

/** The attachments of a session to one server after another, for as long as it needs them. */
export class Attachments {
  readonly #settings: AttachmentsSettings;
  readonly #begin: () => Beginning;
  readonly #events: AttachmentEvents;
  readonly #resolver: EndpointResolver;
  readonly #hosts: HostProvider;
  readonly #over = new AbortController();
  #current: Attachment | undefined;

  constructor(settings: AttachmentsSettings, begin: () => Beginning, events: AttachmentEvents) {
    this.#settings = settings;
    this.#begin = begin;
    this.#events = events;
    this.#resolver = new EndpointResolver(settings.source, settings.names);
    this.#hosts = new HostProvider(this.#resolver, createDiagnostics(settings.onDiagnostic));
  }

  /** The attachment now, also while it is being made. */
  get current(): Attachment | undefined {
    return this.#current;
  }

  /** Aborted when there will be no more. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Attaches the session, and again whenever an attachment has ended, until `end`. */
  async run(): Promise<void> {
    while (!this.over.aborted) {
      const attempt = await this.#hosts.next(this.#begin().grantedTimeoutMs, this.over);
      if (attempt !== undefined) await this.#attach(attempt);
    }
  }

  /** From now on tries these members of the ensemble before the servers of the settings, see `EndpointResolver`. */
  prefer(members: readonly ServerAddress[]): void {
    this.#resolver.prefer(members);
  }

  /** Ends the attachment, and all that is under way. */
  end(): void {
    this.#over.abort();
    this.#current?.destroy({ kind: "closed", detail: "the session is over" });
  }

  /** Resolves when the attachment of this attempt has ended. */
  #attach({ server, timeoutMs }: Attempt): Promise<void> {
    const { session, credentials } = this.#begin();
    const { tls } = this.#settings;
    const ended = new AbortController();
    let readyMs: number | undefined;
    return new Promise((resolve) => {
      const events: AttachmentEvents = {
        ...this.#events,
        onReady: (response) => {
          readyMs = performance.now();
          if (response.readOnly) this.#leaveForReadWrite(ended.signal);
          this.#events.onReady(response);
        },
        onEnd: (failure: Failure) => {
          this.#current = undefined;
          ended.abort();
          this.#events.onEnd(failure);
          const attachedMs = readyMs === undefined ? 0 : performance.now() - readyMs;
          // The session may have found that it needs no more.
          if (!this.over.aborted) this.#hosts.ended(server, failure, attachedMs);
          resolve();
        },
      };
      this.#current = new Attachment({ server, timeoutMs, session, credentials, tls }, events);
    });
  }

  /** While the server only reads, looks for another one, and leaves this one for it. */
  async #leaveForReadWrite(ended: AbortSignal): Promise<void> {
    const found = await findReadWrite(this.#resolver, this.#settings.tls, ended);
    if (found === undefined || ended.aborted) return;
    this.#hosts.prefer(found);
    this.#current?.destroy({ kind: "closed", detail: "a server with a majority was found" });
  }
}
