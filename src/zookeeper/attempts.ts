import { type Backoff, createBackoff } from "../common/backoff.ts";
import { systemClock } from "../common/clock.ts";
import { ZooKeeperError, type ZooKeeperErrorCode } from "./errors.ts";
import type { RetryPolicy } from "./options.ts";
import type { Operation } from "./wire/operation.ts";
import type { Request } from "./wire/requests.ts";
import type { Session } from "./wire/session.ts";

/** Pauses before a call is repeated on a connection that is still there: the server itself is in trouble. */
const [FIRST_PAUSE_MS, PAUSE_MS_MAX] = [20, 1000];

/** The effects of calls that each policy repeats. */
const REPEATED: Readonly<Record<RetryPolicy, readonly Operation<unknown>["effect"][]>> = {
  nothing: [],
  reads: ["read"],
  conditional: ["read", "conditional"],
};

/** What a call sends, once or again. */
export interface Call<T> extends Pick<Operation<T>, "name" | "path" | "effect"> {
  start(): Request<T>;
}

/** The attempts of one call: each waits for a connection, and another one follows when its answer is lost. */
export class Attempts<T> {
  readonly #session: Session;
  readonly #retry: RetryPolicy;
  readonly #call: Call<T>;
  /** Aborted, with the error of the call, when it is stopped. Most calls never need it. */
  #stopped: AbortController | undefined;
  #backoff: Backoff | undefined;
  #current: Request<T> | undefined;
  /** Whether an attempt may have been carried out. */
  #isUncertain = false;

  constructor(session: Session, retry: RetryPolicy, call: Call<T>) {
    this.#session = session;
    this.#retry = retry;
    this.#call = call;
  }

  /** Makes each attempt at once if there is a connection, or as soon as there is one: so calls are sent in their order. */
  async run(): Promise<T> {
    for (;;) {
      const request = this.#session.states.isAttached ? this.#start() : await this.#whenAttached();
      try {
        return await request.answer;
      } catch (error) {
        this.#current = undefined;
        if (!this.#repeats(error)) throw this.#complete(error);
        this.#isUncertain ||= this.#call.effect !== "read";
      }
      this.#backoff ??= createBackoff(systemClock, FIRST_PAUSE_MS, PAUSE_MS_MAX);
      if (this.#session.states.isAttached) await this.#backoff.wait(this.#stopping().signal);
    }
  }

  /** Ends the call with an error, unless it has ended. */
  stop(code: ZooKeeperErrorCode, problem: string, cause?: unknown): void {
    this.#current?.abandon(code, problem, cause);
    // Also then: it may have been lost just before, and another attempt would follow.
    const { name, path } = this.#call;
    this.#stopping().abort(new ZooKeeperError(code, `${name} ${path}: ${problem}`, { path, cause }));
  }

  /** Errors: that of `stop`; those of `start`. */
  #start(): Request<T> {
    if (this.#stopped?.signal.aborted) throw this.#complete(this.#stopped.signal.reason);
    this.#current = this.#call.start();
    return this.#current;
  }

  /** Starts as soon as there is a connection. Errors: as `#start`; that of a session that is over. */
  #whenAttached(): Promise<Request<T>> {
    const { states } = this.#session;
    const { signal } = this.#stopping();
    const { name, path } = this.#call;
    const { promise, resolve, reject } = Promise.withResolvers<Request<T>>();
    const look = () => {
      if (!signal.aborted && !states.isOver && !states.isAttached) return;
      stopListening();
      signal.removeEventListener("abort", look);
      try {
        if (states.isOver) throw this.#complete(states.refusal(name, path));
        resolve(this.#start());
      } catch (error) {
        reject(error);
      }
    };
    const stopListening = states.listenFirst(look);
    signal.addEventListener("abort", look, { once: true });
    look();
    return promise;
  }

  #stopping(): AbortController {
    this.#stopped ??= new AbortController();
    return this.#stopped;
  }

  #repeats(error: unknown): boolean {
    return ZooKeeperError.is(error, "CONNECTION_LOSS") && REPEATED[this.#retry].includes(this.#call.effect);
  }

  /** An error of a later attempt, with what is not known of earlier ones. */
  #complete(error: unknown): unknown {
    if (!ZooKeeperError.is(error) || !this.#isUncertain || error.maybeApplied) return error;
    const message = `${error.message}; an earlier attempt may have been carried out`;
    const { path, cause } = error;
    return new ZooKeeperError(error.code, message, { cause, maybeApplied: true, ...(path && { path }) });
  }
}
