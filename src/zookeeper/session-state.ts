import { Listeners } from "../common/listeners.ts";
import { ZooKeeperError, type ZooKeeperErrorCode } from "./errors.ts";

/**
 * `connected`: calls go to a server. `read-only`: they go to a server that has no majority, and can only read what may be
 * old. `disconnected`: the session may come back with its ephemeral znodes and watches; only a server can say that it has
 * expired. So it stays disconnected for as long as no server takes it, also when all of them have lost their data: who
 * does not want to wait closes it, and connects anew. `expired` and `closed` are final: the ephemeral znodes are or will be deleted, and the watches have been told
 * `session-lost`.
 */
export type SessionState = "connected" | "read-only" | "disconnected" | "expired" | "closed";

/** Why a session in a state takes no request. */
const REFUSALS: Readonly<
  Record<Exclude<SessionState, "connected" | "read-only">, readonly [ZooKeeperErrorCode, string]>
> = {
  disconnected: ["CONNECTION_LOSS", "there is no connection to ZooKeeper"],
  expired: ["SESSION_EXPIRED", "the session has expired"],
  closed: ["CLOSED", "the session was closed"],
};

/** The state of a session, and those who are told of it. It begins without a connection. */
export class SessionStates {
  readonly #waiting = new Listeners<SessionState>();
  readonly #listeners = new Listeners<SessionState>();
  #state: SessionState = "disconnected";

  get now(): SessionState {
    return this.#state;
  }

  /** Whether requests can be sent. */
  get isAttached(): boolean {
    return this.#state === "connected" || this.#state === "read-only";
  }

  /** Whether the state is final. */
  get isOver(): boolean {
    return this.#state === "expired" || this.#state === "closed";
  }

  /** Calls `listener` after every change, in order. Returns a function that stops it. */
  listen(listener: (state: SessionState) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** As `listen`, before all listeners: what waits for a connection is sent before what they send. */
  listenFirst(listener: (state: SessionState) => void): () => void {
    return this.#waiting.add(listener);
  }

  /** Does nothing when it is the state already, or the session is over. */
  enter(state: SessionState): void {
    if (this.isOver || state === this.#state) return;
    this.#state = state;
    this.#waiting.tell(state);
    this.#listeners.tell(state);
  }

  /** The error of a request on `path` that is made or waits now. Undefined while requests can be sent. */
  refusal(name: string, path: string, maybeApplied = false): ZooKeeperError | undefined {
    if (this.#state === "connected" || this.#state === "read-only") return undefined;
    const [code, problem] = REFUSALS[this.#state];
    return new ZooKeeperError(code, `${name} ${path}: ${problem}`, { path, maybeApplied });
  }
}
