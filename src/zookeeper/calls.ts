import { systemClock } from "../common/clock.ts";
import { Deadlines, type Expiring } from "../common/deadlines.ts";
import { Attempts, type Call } from "./attempts.ts";
import { ZooKeeperError } from "./errors.ts";
import type { CallOptions, RetryPolicy } from "./options.ts";
import type { Operation } from "./wire/operation.ts";
import type { Session } from "./wire/session.ts";

/** More calls at once than this are a mistake, or more than the server can do: it answers some 10,000 a second. */
const CALLS_MAX = 100_000;

/** Carries out calls on a session: each until it is answered, its deadline has passed, or its signal is aborted. */
export class Calls {
  readonly #session: Session;
  readonly #deadlineMs: number;
  readonly #retry: RetryPolicy;
  readonly #deadlines = new Deadlines(systemClock);
  #underWay = 0;

  /** `deadlineMs` is that of calls that have none of their own. */
  constructor(session: Session, deadlineMs: number, retry: RetryPolicy) {
    this.#session = session;
    this.#deadlineMs = deadlineMs;
    this.#retry = retry;
  }

  /**
   * The options of each of several calls that have one deadline together: a function to be called before each. Errors, of
   * that: DEADLINE_EXCEEDED.
   */
  together({ signal, deadlineMs = this.#deadlineMs }: CallOptions): () => CallOptions {
    const dueMs = systemClock.monotonicMs() + deadlineMs;
    return () => {
      const leftMs = dueMs - systemClock.monotonicMs();
      if (leftMs > 0) return { signal, deadlineMs: leftMs };
      throw new ZooKeeperError("DEADLINE_EXCEEDED", `it was not complete within ${deadlineMs} ms`);
    };
  }

  /** Errors: those of the operation and of `run`. */
  perform<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    const { name, path, effect } = operation;
    return this.run({ name, path, effect, start: () => this.#session.request(operation) }, options);
  }

  /** Errors: those of the requests; DEADLINE_EXCEEDED, ABORTED, OVERLOADED, CONNECTION_LOSS, SESSION_EXPIRED, CLOSED. */
  async run<T>(call: Call<T>, { signal, deadlineMs = this.#deadlineMs }: CallOptions = {}): Promise<T> {
    const { name, path } = call;
    if (this.#underWay === CALLS_MAX) {
      throw new ZooKeeperError("OVERLOADED", `${name} ${path}: ${CALLS_MAX} calls are under way`, { path });
    }
    const attempts = new Attempts(this.#session, this.#retry, call);
    const expiring: Expiring = {
      dueMs: systemClock.monotonicMs() + deadlineMs,
      expire: () => attempts.stop("DEADLINE_EXCEEDED", `there was no answer within ${deadlineMs} ms`),
    };
    const abort = () => attempts.stop("ABORTED", "the call was aborted", signal?.reason);
    this.#underWay++;
    if (deadlineMs < Number.POSITIVE_INFINITY) this.#deadlines.add(expiring);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      if (signal?.aborted) abort();
      return await attempts.run();
    } finally {
      this.#underWay--;
      this.#deadlines.delete(expiring);
      signal?.removeEventListener("abort", abort);
    }
  }
}
