import { createHash } from "node:crypto";
import type { Clock } from "../../common/clock.ts";
import { checkPath } from "../check-path.ts";
import { type Coordination, CoordinationError, type OpenSession } from "../coordination.ts";
import { makePath } from "../make-path.ts";
import { Server } from "./server.ts";
import { EmbeddedSession } from "./session.ts";
import { StateFile } from "./state-file.ts";
import { type Change, Tree } from "./tree.ts";

export interface EmbeddedOptions {
  readonly clock: Clock;
  /** How long a session without a connection lasts. Default 10,000. */
  readonly sessionTimeoutMs?: number;
  /**
   * File with the persistent znodes, read at the start. Its directory must exist. Without it they are in memory only.
   */
  readonly file?: string;
  /** Gets a line when an unfinished write at the end of the file was cut off, and when the disk is full. */
  readonly onDiagnostic?: (message: string) => void;
}

export interface EmbeddedClientOptions {
  /** Digest credentials `user:password`. */
  readonly auth?: string;
  /** Path that is the session's root. It is created if it is missing. */
  readonly chroot?: string;
}

/**
 * A coordination service inside this process, with ZooKeeper's semantics. It is deterministic: it takes the time only
 * from the clock, and without a file everything else happens in microtasks.
 *
 * While the disk is full, changes wait. If the file cannot be written, the service has failed: every session expires,
 * and no new one opens.
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

  /**
   * A function that opens sessions with these options. Errors of opening: SYSTEM (the file can no longer be written),
   * CLOSED.
   */
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

  /** Breaks the connection of a session. The service ends the session after the session time-out. */
  disconnect(session: Coordination): void {
    embedded(session).disconnect();
  }

  /**
   * Restores the connection of a session. If the service has ended the session meanwhile, the session learns now that
   * it expired.
   */
  reconnect(session: Coordination): void {
    embedded(session).reconnect();
  }

  /** Ends a session as if its time-out had passed. */
  expire(session: Coordination): void {
    embedded(session).end(() => {});
  }

  /**
   * Breaks the connection (see `disconnect`) during the next operation of a session: before the request reaches the
   * service, or before the answer arrives. The caller cannot tell which.
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

/** ZooKeeper's name for the holder of digest credentials (DigestAuthenticationProvider.java). */
function digestIdentity(auth: string): string {
  const [user] = auth.split(":", 1);
  return `${user}:${createHash("sha1").update(auth).digest("base64")}`;
}
