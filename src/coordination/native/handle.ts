import type { ZnodeEvent } from "../watches.ts";
import { type Answer, EXPIRED, type NativeClient } from "./addon.ts";

/** The id and password by which the server recognizes a session that reconnects. */
export interface SessionIdentity {
  readonly client_id: string;
  readonly client_password: string;
}

/** Why a handle was lost: the session can reconnect on another handle, or has expired. */
export type Loss = "disconnected" | "expired";

export interface HandleEvents {
  onZnodeEvent(event: ZnodeEvent, path: string): void;
  /** Called once. No request is answered any more. */
  onLost(loss: Loss): void;
}

/**
 * One connection of the C client. That client can change servers and restore watches by itself, but it sends all
 * watches in one packet (which a server refuses above 1 MiB) and waits up to a third of the session time-out. So a
 * handle is given up when its connection breaks, and the session reconnects on a new one.
 */
export class Handle {
  readonly identity: SessionIdentity;
  readonly #native: NativeClient;
  readonly #watchdog: ReturnType<typeof setInterval>;
  /** Requests without an answer, oldest first. */
  readonly #unanswered = new Set<object>();
  readonly #lost = Promise.withResolvers<Loss>();
  #events: HandleEvents | undefined;
  /** Events of before `listen`. */
  #early: [ZnodeEvent, string][] = [];
  #loss: Loss | undefined;

  /** Takes over a client that has just connected. */
  constructor(native: NativeClient) {
    this.#native = native;
    this.identity = { client_id: native.client_id, client_password: native.client_password };
    native.on("created", (_, path) => this.#tell("created", path));
    native.on("deleted", (_, path) => this.#tell("deleted", path));
    native.on("changed", (_, path) => this.#tell("changed", path));
    native.on("child", (_, path) => this.#tell("children", path));
    native.on("connecting", () => void this.#abandon());
    native.on("close", (_, code) => this.#lose(code === EXPIRED ? "expired" : "disconnected"));
    this.#watchdog = this.#startWatchdog();
  }

  /** Resolves when the handle is lost. */
  get whenLost(): Promise<Loss> {
    return this.#lost.promise;
  }

  /** Delivers events from now on, and those that came before. */
  listen(events: HandleEvents): void {
    this.#events = events;
    for (const [event, path] of this.#early.splice(0)) events.onZnodeEvent(event, path);
    if (this.#loss !== undefined) events.onLost(this.#loss);
  }

  /**
   * Sends a request. Returns 0, or the code with which the client refuses it. After 0, `answered` is called once,
   * unless the handle is lost first.
   */
  ask<Values extends unknown[]>(
    send: (native: NativeClient, answer: Answer<Values>) => number,
    answered: (code: number, ...values: Values) => void,
  ): number {
    const request = {};
    this.#unanswered.add(request);
    const refusal = send(this.#native, (code, _, ...values) => {
      if (!this.#unanswered.delete(request)) return;
      answered(code, ...values);
      // A follower goes on answering pings and reads: nothing but a write may ever tell that the session is over.
      if (code === EXPIRED) void this.#abandon();
    });
    if (refusal !== 0) this.#unanswered.delete(request);
    return refusal;
  }

  /** Ends the session. Blocks (see `NativeClient.close`). */
  async close(): Promise<void> {
    clearInterval(this.#watchdog);
    this.#unanswered.clear();
    if (this.#loss === undefined) await closeSoon(this.#native);
  }

  /**
   * When the connection broke, the C client has closed its socket, but its package still polls the file descriptor. Until it
   * stops, the loss must not be reported: its receiver could open something that gets the same descriptor.
   */
  async #abandon(): Promise<void> {
    this.#unanswered.clear();
    await closeSoon(this.#native);
    this.#lose("disconnected");
  }

  #tell(event: ZnodeEvent, path: string): void {
    if (this.#events === undefined) this.#early.push([event, path]);
    else this.#events.onZnodeEvent(event, path);
  }

  #lose(loss: Loss): void {
    if (this.#loss !== undefined) return;
    this.#loss = loss;
    this.#unanswered.clear();
    clearInterval(this.#watchdog);
    this.#events?.onLost(loss);
    this.#lost.resolve(loss);
  }

  /**
   * The C client gives up a connection that is silent for two thirds of the session time-out. If it fails to do so, a
   * request that waits for the whole time-out shows it. The client is closed when it notices the loss: closing it
   * earlier would end the session.
   */
  #startWatchdog(): ReturnType<typeof setInterval> {
    let oldest: object | undefined;
    return setInterval(() => {
      const [first] = this.#unanswered;
      if (first !== undefined && first === oldest) this.#lose("disconnected");
      oldest = first;
    }, this.#native.timeout);
  }
}

/** Closes a client outside of its callbacks. If it is closed inside one, its next callback ends the process. */
export function closeSoon(native: NativeClient): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => {
      native.close();
      resolve();
    });
  });
}
