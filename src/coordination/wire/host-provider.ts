import { setTimeout as sleep } from "node:timers/promises";
import type { ServerAddress } from "./connect-string.ts";
import type { Diagnostics, Failure } from "./diagnostics.ts";

const FIRST_PAUSE_MS = 50;
/** Longest pause: clients find a server that comes back within this time. */
const PAUSE_MS_MAX = 2000;
/** Longest attempt: a server that takes longer for a handshake is of no use, however busy it is. */
const ATTEMPT_MS_MAX = 10_000;
/** After an attachment of this length, a loss counts as a new failure. */
const STEADY_MS = 1000;

export interface Attempt {
  readonly server: ServerAddress;
  /** How long to try. */
  readonly timeoutMs: number;
}

/**
 * Chooses which server to try next, and when. All are tried in turn, in an order that differs between clients, with a
 * pause that grows after each round in which all failed.
 */
export class HostProvider {
  readonly #servers: readonly ServerAddress[];
  readonly #diagnostics: Diagnostics;
  /** Failures of this round. */
  readonly #failures = new Map<ServerAddress, Failure>();
  #next = 0;
  #roundsInVain = 0;

  constructor(servers: readonly ServerAddress[], diagnostics: Diagnostics) {
    this.#servers = shuffled(servers);
    this.#diagnostics = diagnostics;
  }

  /**
   * Waits until it is time for the next attempt, or until `signal` is aborted. The first round takes at most a third of
   * the session time-out, which is what is left of a session when its server has become silent.
   */
  async next(sessionTimeoutMs: number, signal: AbortSignal): Promise<Attempt> {
    if (this.#failures.size === 0 && this.#roundsInVain > 0) {
      const growingMs = FIRST_PAUSE_MS * 2 ** (this.#roundsInVain - 1);
      const pauseMs = Math.min(growingMs, PAUSE_MS_MAX, sessionTimeoutMs / 6);
      await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
    }
    const server = this.#servers[this.#next++ % this.#servers.length];
    if (server === undefined) throw new Error("there is no server to try");
    const shareMs = sessionTimeoutMs / 3 / this.#servers.length;
    const timeoutMs = Math.ceil(Math.min(shareMs * 2 ** this.#roundsInVain, ATTEMPT_MS_MAX));
    return { server, timeoutMs };
  }

  /** An attempt has ended. The session was attached for `attachedMs`, or 0 if it never was. */
  ended(server: ServerAddress, failure: Failure, attachedMs: number): void {
    if (attachedMs >= STEADY_MS) {
      this.#roundsInVain = 0;
      this.#failures.clear();
      this.#diagnostics.recovered();
      return;
    }
    this.#failures.set(server, failure);
    if (this.#failures.size < this.#servers.length) return;
    this.#diagnostics.tell(this.#failures);
    this.#failures.clear();
    this.#roundsInVain++;
  }
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ value }) => value);
}
