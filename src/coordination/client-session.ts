import { Listeners } from "../common/listeners.ts";
import { checkPath } from "./check-path.ts";
import { CoordinationError, type CoordinationErrorCode, type SessionState } from "./coordination.ts";
import { WatchTable } from "./watches.ts";

/** The error of an operation in a state that allows none. */
const REFUSALS: Record<Exclude<SessionState, "connected">, [CoordinationErrorCode, string]> = {
  disconnected: ["CONNECTION_LOSS", "there is no connection to the coordination service"],
  expired: ["SESSION_EXPIRED", "the session has expired"],
  closed: ["CLOSED", "the session was closed"],
};

/**
 * The client's side of a session, the same for the drivers that have no session of their own: its state and the state's listeners, its watches, and the
 * operations without an answer. It starts connected.
 */
export class ClientSession {
  readonly watches = new WatchTable();
  readonly #listeners = new Listeners<SessionState>();
  /** The function that fails each operation. */
  readonly #pending = new Set<(code: CoordinationErrorCode, message: string) => void>();
  #state: SessionState = "connected";

  get state(): SessionState {
    return this.#state;
  }

  /** Whether the state is final. */
  get over(): boolean {
    return this.#state === "expired" || this.#state === "closed";
  }

  onState(listener: (state: SessionState) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Starts an operation. `start` gets a function that ends it with what `answer` returns or throws. `answer` is not
   * called if the connection was lost before. Errors: BAD_ARGUMENTS for the path; CONNECTION_LOSS, SESSION_EXPIRED and
   * CLOSED, at once or later.
   */
  perform<T>(
    path: string,
    start: (end: (answer: () => T) => void) => void,
    options: { sequential?: boolean } = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      checkPath(path, options.sequential);
      if (this.#state !== "connected") throw new CoordinationError(...REFUSALS[this.#state], { path });
      const fail = (code: CoordinationErrorCode, message: string) =>
        reject(new CoordinationError(code, message, { path }));
      this.#pending.add(fail);
      const end = (answer: () => T) => {
        if (!this.#pending.delete(fail)) return;
        try {
          resolve(answer());
        } catch (error) {
          reject(error);
        }
      };
      try {
        start(end);
      } catch (error) {
        end(() => {
          throw error;
        });
      }
    });
  }

  disconnected(): void {
    if (this.#state !== "connected") return;
    this.#enter("disconnected");
    this.#failPending("CONNECTION_LOSS", "the connection was lost before the answer came");
  }

  connected(): void {
    if (this.#state === "disconnected") this.#enter("connected");
  }

  /**
   * Ends the session. `error`, if given, is the error of the operations under way; otherwise the new state decides it.
   */
  finish(state: "expired" | "closed", error?: CoordinationError): void {
    if (this.over) return;
    this.#enter(state);
    const [code, message] = REFUSALS[state];
    this.#failPending(error?.code ?? code, error?.message ?? message);
    this.watches.lose();
  }

  #enter(state: SessionState): void {
    this.#state = state;
    this.#listeners.tell(state);
  }

  #failPending(code: CoordinationErrorCode, message: string): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const fail of pending) fail(code, message);
  }
}
