import type { Clock } from "../../common/clock.ts";
import type { Access } from "../../coordination/coordination.ts";
import { type CasRegister, ringRegister } from "../metadata/cas-register.ts";
import type { RingState } from "../metadata/model.ts";
import type { SessionKeeper } from "../metadata/session-keeper.ts";
import type { TopologySource } from "../metadata/topology.ts";
import { untilRingSeen, updateRing } from "./update-ring.ts";

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
  #marking: Promise<void> | undefined;

  constructor(options: RingFreezeOptions) {
    this.#options = options;
    const { sessions, access } = options;
    this.#register = ringRegister({ session: () => sessions.current, access });
  }

  /** Resolves once this process sees a marked ring. Rejects when the ring cannot be marked now. */
  async freeze(): Promise<void> {
    this.#marking ??= this.#mark().finally(() => {
      this.#marking = undefined;
    });
    await this.#marking;
  }

  async #mark(): Promise<void> {
    const { after } = await updateRing(this.#register, (ring) =>
      ring.written ? ring : { ...ring, version: ring.version + 1, written: true },
    );
    await untilRingSeen(this.#options, after.version, this.#options.signal);
  }
}
