import { type Clock, withTimeout } from "../../common/clock.ts";
import { type Access, CoordinationError } from "../../coordination/coordination.ts";
import { type CasRegister, ringRegister } from "../metadata/cas-register.ts";
import type { RingState, Versioned } from "../metadata/model.ts";
import type { SessionKeeper } from "../metadata/session-keeper.ts";
import type { TopologySource } from "../metadata/topology.ts";

/** Longest wait until this process sees its own change of the ring. */
const seenTimeoutMs = 5000;

export interface RingFreezeOptions {
  readonly sessions: SessionKeeper;
  readonly topology: TopologySource;
  readonly clock: Clock;
  readonly access: Access;
  readonly signal: AbortSignal;
}

/**
 * Marks the ring as written to before the very first write is accepted. From then on a change of the ring moves keys, and
 * does not just assign them to another group.
 */
export class RingFreeze {
  readonly #options: RingFreezeOptions;
  readonly #register: CasRegister<RingState>;
  /** All first writes wait for the same change. */
  #closing: Promise<void> | undefined;

  constructor(options: RingFreezeOptions) {
    this.#options = options;
    const { sessions, access } = options;
    this.#register = ringRegister({ session: () => sessions.current, access });
  }

  /** Resolves once this process sees a marked ring. Rejects when the ring cannot be marked now. */
  async freeze(): Promise<void> {
    this.#closing ??= this.#close().finally(() => {
      this.#closing = undefined;
    });
    await this.#closing;
  }

  async #close(): Promise<void> {
    const { topology, clock, signal } = this.#options;
    for (let closed = false; !closed; ) {
      const found = await this.#register.read();
      if (found === undefined) throw new Error("there is no ring");
      closed = found.value.written || (await this.#mark(found));
    }
    await withTimeout(clock, seenTimeoutMs, signal, (given) =>
      topology.waitUntil(({ ring }) => ring?.value.written === true, given),
    );
  }

  /** Returns false when the ring has changed meanwhile. */
  async #mark({ value, version }: Versioned<RingState>): Promise<boolean> {
    try {
      const next = { ...value, version: value.version + 1, written: true };
      await this.#register.compareAndSet(next, version);
      return true;
    } catch (error) {
      if (CoordinationError.is(error, "BAD_VERSION")) return false;
      throw error;
    }
  }
}
