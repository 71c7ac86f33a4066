import { createBackoff } from "../../common/backoff.ts";
import type { Clock } from "../../common/clock.ts";
import { type Coordination, CoordinationError, type OpenSession } from "../../coordination/coordination.ts";
import { explain, withoutRepetition } from "./diagnostics.ts";

/** What a part of the process does with each session. `signal` is aborted when that session is over. */
export type SessionUser = (session: Coordination, signal: AbortSignal) => void;

/** After a session that lasted at least this long, the next one is opened without a long pause. */
const stableMs = 10_000;

/** The sessions of a process, for a part of it. */
export interface SessionSource {
  /** The current session, connected or not. Undefined while there is none. */
  readonly current: Coordination | undefined;
  /** Calls `user` with the current session, if any, and with every later one. Returns a function that stops that. */
  use(user: SessionUser): () => void;
}

export interface SessionKeeperOptions {
  readonly open: OpenSession;
  readonly clock: Clock;
  readonly onDiagnostic: (message: string) => void;
}

/** The sessions of a process: one at a time, and a new one whenever the last is over. Opens them from now until `stop`. */
export class SessionKeeper implements SessionSource {
  /** Settles when there will be no more sessions. Resolves after `stop`. Rejects with an error that no retry can fix. */
  readonly done: Promise<void>;
  readonly #options: SessionKeeperOptions;
  readonly #tell: (message: string) => void;
  readonly #stopping = new AbortController();
  /** Each with what ends its use of the session of now. */
  readonly #users = new Map<SessionUser, AbortController | undefined>();
  #current: Coordination | undefined;
  #diagnostic: string | undefined;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
    this.#tell = withoutRepetition(options.onDiagnostic);
    this.done = this.#run();
  }

  /** The current session, connected or not. Undefined while there is none. */
  get current(): Coordination | undefined {
    return this.#current;
  }

  /** Why the last session could not be opened. Undefined once one is open. */
  get diagnostic(): string | undefined {
    return this.#diagnostic;
  }

  /** Calls `user` with the current session, if any, and with every later one. Returns a function that stops that. */
  use(user: SessionUser): () => void {
    if (this.#current === undefined) this.#users.set(user, undefined);
    else this.#begin(user, this.#current);
    return () => {
      this.#users.get(user)?.abort(new CoordinationError("CLOSED", "stopped"));
      this.#users.delete(user);
    };
  }

  /** Stops the users and then ends the session, so that its ephemeral znodes go at once. Never fails. */
  async stop(): Promise<void> {
    this.#stopping.abort(new CoordinationError("CLOSED", "stopped"));
    await this.done.catch(() => {});
  }

  async #run(): Promise<void> {
    const { open, clock } = this.#options;
    const { signal } = this.#stopping;
    const onDiagnostic = (message: string) => this.#onDiagnostic(message);
    const pause = createBackoff(clock, 100, 5000);
    while (!signal.aborted) {
      let beganMs = clock.monotonicMs();
      try {
        const session = await open({ signal, onDiagnostic });
        beganMs = clock.monotonicMs();
        await this.#serve(session);
      } catch (error) {
        if (signal.aborted) return;
        if (CoordinationError.is(error, "BAD_ARGUMENTS", "AUTH_FAILED")) throw error;
        onDiagnostic(explain(error));
      }
      if (clock.monotonicMs() - beganMs >= stableMs) pause.reset();
      await pause.wait(signal);
    }
  }

  /** Gives a session to all users, until it is over. */
  async #serve(session: Coordination): Promise<void> {
    const end = untilOver(session, this.#stopping.signal);
    this.#current = session;
    this.#diagnostic = undefined;
    for (const user of [...this.#users.keys()]) this.#begin(user, session);
    await end;
    this.#current = undefined;
    const reason = new CoordinationError("SESSION_EXPIRED", `the session is ${session.state}`);
    for (const controller of this.#users.values()) controller?.abort(reason);
    await session.close();
  }

  #begin(user: SessionUser, session: Coordination): void {
    const controller = new AbortController();
    this.#users.set(user, controller);
    user(session, controller.signal);
  }

  #onDiagnostic(message: string): void {
    if (this.#current === undefined) this.#diagnostic = message;
    this.#tell(message);
  }
}

/** Resolves when the session is expired or closed, or the signal aborted. */
async function untilOver(session: Coordination, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const look = () => {
    if (session.state === "expired" || session.state === "closed" || signal.aborted) over.resolve();
  };
  const stopListening = session.onState(look);
  signal.addEventListener("abort", look);
  look();
  await over.promise;
  stopListening();
  signal.removeEventListener("abort", look);
}
