import { ZooKeeperError } from "./errors.ts";
import type { SessionStates } from "./session-state.ts";

/** Signals that are aborted as soon as a session is not connected. */
export class ConnectedSignals {
  readonly #states: SessionStates;
  /** Of the time since the session was connected last; undefined while it is not, and until somebody asks. */
  #controller: AbortController | undefined;

  constructor(states: SessionStates) {
    this.#states = states;
    states.listen(() => {
      this.#controller?.abort(this.#reason());
      this.#controller = undefined;
    });
  }

  /** Aborted already when the session is not connected now. */
  signal(): AbortSignal {
    if (this.#states.now !== "connected") return AbortSignal.abort(this.#reason());
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  #reason(): ZooKeeperError {
    const refusal = this.#states.refusal("session", "/");
    return refusal ?? new ZooKeeperError("READ_ONLY", "the session is attached to a server that only reads");
  }
}
