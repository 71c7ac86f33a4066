import { setTimeout as sleep } from "node:timers/promises";
import { formatServer } from "./connect-string.ts";
import type { Diagnostics, Failure } from "./diagnostics.ts";
import type { Endpoint, EndpointResolver } from "./endpoints.ts";

const FIRST_PAUSE_MS = 50;
/** Longest pause: clients find a server that comes back within this time. */
const PAUSE_MS_MAX = 2000;
/** Longest attempt: a server that takes longer for a handshake is of no use, however busy it is. */
const ATTEMPT_MS_MAX = 10_000;
/** After an attachment of this length, a loss counts as a new failure. */
const STEADY_MS = 1000;

export interface Attempt {
  readonly server: Endpoint;
  /** How long to try. */
  readonly timeoutMs: number;
}

/**
 * Chooses which server to try next, and when. A round tries all addresses that the servers' names have when it begins,
 * in an order that differs between clients. A pause that grows follows each round in which all failed.
 */
export class HostProvider {
  readonly #resolver: EndpointResolver;
  readonly #diagnostics: Diagnostics;
  /** What is left of this round. */
  #queue: Endpoint[] = [];
  #roundSize = 1;
  /** Failures of this round. */
  readonly #failures = new Map<string, Failure>();
  #roundsInVain = 0;
  /** The address that was lost last is the last to be tried again. */
  #lost: string | undefined;

  constructor(resolver: EndpointResolver, diagnostics: Diagnostics) {
    this.#resolver = resolver;
    this.#diagnostics = diagnostics;
  }

  /**
   * Waits until it is time for the next attempt. Undefined when `signal` is aborted. The first round takes at most a
   * third of the session time-out, which is what is left of a session when its server has become silent.
   */
  async next(sessionTimeoutMs: number, signal: AbortSignal): Promise<Attempt | undefined> {
    while (this.#queue.length === 0 && !signal.aborted) await this.#beginRound(sessionTimeoutMs, signal);
    const server = signal.aborted ? undefined : this.#queue.shift();
    if (server === undefined) return undefined;
    const shareMs = sessionTimeoutMs / 3 / this.#roundSize;
    return { server, timeoutMs: Math.ceil(Math.min(shareMs * 2 ** this.#roundsInVain, ATTEMPT_MS_MAX)) };
  }

  /** An attempt has ended. The session was attached for `attachedMs`, or 0 if it never was. */
  ended(server: Endpoint, failure: Failure, attachedMs: number): void {
    this.#lost = server.address;
    if (attachedMs >= STEADY_MS) {
      this.#roundsInVain = 0;
      this.#failures.clear();
      this.#diagnostics.recovered();
      return;
    }
    this.#failures.set(formatServer(server), failure);
    if (this.#queue.length === 0) this.#endRound();
  }

  /** Makes this server the next to be tried. */
  prefer(server: Endpoint): void {
    this.#queue.unshift(server);
  }

  async #beginRound(sessionTimeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#roundsInVain > 0) {
      const growingMs = FIRST_PAUSE_MS * 2 ** (this.#roundsInVain - 1);
      const pauseMs = Math.min(growingMs, PAUSE_MS_MAX, sessionTimeoutMs / 6);
      await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
    }
    const { endpoints, failures } = await this.#resolver.resolve(sessionTimeoutMs / 3);
    for (const [server, failure] of failures) this.#failures.set(server, failure);
    const isLost = ({ address }: Endpoint) => address === this.#lost;
    this.#queue = [...endpoints.filter((each) => !isLost(each)), ...endpoints.filter(isLost)];
    this.#roundSize = endpoints.length;
    if (endpoints.length === 0) this.#endRound();
  }

  #endRound(): void {
    this.#diagnostics.tell(this.#failures);
    this.#failures.clear();
    this.#roundsInVain++;
  }
}
