import { createHash } from "node:crypto";
import type { Clock } from "../../common/clock.ts";
import { type Coordination, CoordinationError, type OpenSession } from "../coordination.ts";
import { makePath } from "../make-path.ts";
import { checkPath } from "../paths.ts";
import { Server } from "./server.ts";
import { EmbeddedSession } from "./session.ts";
import { StateFile } from "./state-file.ts";
import { type Change, Tree } from "./tree.ts";

export interface EmbeddedOptions {
  readonly clock: Clock;
  /** How long the service waits for a session that has no connection. Default 10,000. */
  readonly sessionTimeoutMs?: number;
  /** Where the persistent znodes are kept, and go on from. Its directory must exist. In memory only if absent. */
  readonly file?: string;
  /** Told in words when an unfinished write at the end of the file was cut off, and when there is no room for one. */
  readonly onDiagnostic?: (message: string) => void;
}

export interface EmbeddedClientOptions {
  /** Digest credentials `user:password`. */
  readonly auth?: string;
  /** Path that the session takes for its root; made if it is missing. */
  readonly chroot?: string;
}

/**
 * A coordination service inside this process, with ZooKeeper's semantics. It is deterministic: time comes from the
 * clock alone, and without a file everything else happens in microtasks.
 *
 * While there is no room for its file, changes wait. If the file cannot be written the service is over: every session
 * expires, and no other opens.
 */
export class EmbeddedCoordination {
  readonly #server: Server;
  readonly #file: StateFile | undefined;
  #sessionsOpened = 0;
  #closed = false;

  private constructor(server: Server, file: StateFile | undefined) {
    this.#server = server;
    this.#file = file;
  }

  /** Errors: SYSTEM (the file is damaged, cannot be read or cannot be written). */
  static async start(options: EmbeddedOptions): Promise<EmbeddedCoordination> {
    const { clock, sessionTimeoutMs = 10_000, file: path, onDiagnostic } = options;
    const { file, tree } =
      path === undefined ? { file: undefined, tree: new Tree() } : await StateFile.open(path, onDiagnostic);
    const save = file && ((changes: readonly Change[]) => file.save(changes));
    return new EmbeddedCoordination(new Server(clock, tree, sessionTimeoutMs, save), file);
  }

  /** How to open sessions of one kind. Errors of opening: SYSTEM (the file cannot be written any more), CLOSED. */
  opener(options: EmbeddedClientOptions = {}): OpenSession {
    const { auth, chroot = "/" } = options;
    checkPath(chroot);
    const identity = auth === undefined ? undefined : digestIdentity(auth);
    return async ({ signal } = {}) => {
      signal?.throwIfAborted();
      const caller = { session: String(++this.#sessionsOpened), identity };
      if (chroot !== "/") {
        const hasCredentials = auth !== undefined;
        await makePath(new EmbeddedSession(this.#server, caller, ""), chroot, { hasCredentials });
      }
      if (this.#closed) throw new CoordinationError("CLOSED", "the coordination service was closed");
      if (this.#server.failure !== undefined) throw this.#server.failure;
      const session = new EmbeddedSession(this.#server, caller, chroot === "/" ? "" : chroot);
      this.#server.sessions.add(session);
      return session;
    };
  }

  /** Breaks the connection of a session, which the service then ends after the session time-out. */
  disconnect(session: Coordination): void {
    embedded(session).disconnect();
  }

  /** Gives a session its connection back; if the service has ended it meanwhile, it now learns that it expired. */
  reconnect(session: Coordination): void {
    embedded(session).reconnect();
  }

  /** Ends a session as if its time-out had passed. */
  expire(session: Coordination): void {
    embedded(session).end(() => {});
  }

  /**
   * The connection breaks (see `disconnect`) during the next operation of a session: before its request reaches the
   * service, or before its answer comes. The caller cannot tell these apart.
   */
  loseNext(session: Coordination, what: "request" | "answer"): void {
    embedded(session).loseNext(what);
  }

  /** Closes all sessions and the file. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#file?.giveUp();
    const { sessions } = this.#server;
    await Promise.all([...sessions].map((session) => session.close()));
    for (const session of sessions) session.end(() => {});
    await new Promise<void>((resolve) => this.#server.push([], resolve));
    await this.#file?.close();
  }
}

function embedded(session: Coordination): EmbeddedSession {
  if (session instanceof EmbeddedSession) return session;
  throw new TypeError("the session is not one of an embedded coordination service");
}

/** How ZooKeeper names the holder of digest credentials (DigestAuthenticationProvider.java). */
function digestIdentity(auth: string): string {
  const [user] = auth.split(":", 1);
  return `${user}:${createHash("sha1").update(auth).digest("base64")}`;
}
