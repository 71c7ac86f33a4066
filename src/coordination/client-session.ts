import { CoordinationError, type CoordinationErrorCode, type SessionState } from "./coordination.ts";
import { checkPath } from "./paths.ts";
import { callListener, WatchTable } from "./watches.ts";

/** Why no operation can be done in a state. */
const REFUSALS: Record<Exclude<SessionState, "connected">, [CoordinationErrorCode, string]> = {
  disconnected: ["CONNECTION_LOSS", "there is no connection to the coordination service"],
  expired: ["SESSION_EXPIRED", "the session has expired"],
  closed: ["CLOSED", "the session was closed"],
};

/**
 * What a driver knows of a session, whatever the service is: its state and who listens to it, its watches, and the
 * operations that have not been answered. It begins connected.
 */
export class ClientSession {
  readonly watches = new WatchTable();
  readonly #listeners = new Set<(state: SessionState) => void>();
  /** Changes that listeners are still to be told of. */
  readonly #untold: SessionState[] = [];
  /** How to fail each operation. */
  readonly #pending = new Set<(code: CoordinationErrorCode, message: string) => void>();
  #state: SessionState = "connected";

  get state(): SessionState {
    return this.#state;
  }

  /** Whether the state will not change any more. */
  get over(): boolean {
    return this.#state === "expired" || this.#state === "closed";
  }

  onState(listener: (state: SessionState) => void): () => void {
    const entry = (state: SessionState) => listener(state);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  /**
   * Starts an operation. `start` is given how to end it: with what `answer` then returns or throws, unless the
   * connection was lost meanwhile, when `answer` is not called.
   * Errors: BAD_ARGUMENTS for the path; CONNECTION_LOSS, SESSION_EXPIRED and CLOSED, at once or when it comes to that.
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

  /** The end; `error` tells operations under way why, if it is not simply the new state. */
  finish(state: "expired" | "closed", error?: CoordinationError): void {
    if (this.over) return;
    this.#enter(state);
    const [code, message] = REFUSALS[state];
    this.#failPending(error?.code ?? code, error?.message ?? message);
    this.watches.lose();
  }

  #enter(state: SessionState): void {
    this.#state = state;
    this.#untold.push(state);
    // When a listener changes the state, those after it still hear of the earlier change first.
    if (this.#untold.length > 1) return;
    for (let [next] = this.#untold; next !== undefined; [next] = this.#untold) {
      const told = next;
      for (const listener of [...this.#listeners]) {
        if (this.#listeners.has(listener)) callListener(() => listener(told));
      }
      this.#untold.shift();
    }
  }

  #failPending(code: CoordinationErrorCode, message: string): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const fail of pending) fail(code, message);
  }
}
