import { type CasRegister, type GroupRegisterOptions, groupStateRegister } from "../metadata/cas-register.ts";
import type { GroupState, Versioned } from "../metadata/model.ts";
import { apply, type Transition } from "./group-state.ts";

/** The state of a group, where all processes see it. Nothing but a transition changes it. */
export class GroupRegister {
  readonly #register: CasRegister<GroupState>;
  readonly #onFailure: (error: unknown) => void;

  /** `onFailure` is told when an illegal transition was asked for: the process must end. */
  constructor(register: CasRegister<GroupState>, onFailure: (error: unknown) => void) {
    this.#register = register;
    this.#onFailure = onFailure;
  }

  /** Whether a call has a chance now. */
  get connected(): boolean {
    return this.#register.connected;
  }

  /** The state as of this call or later; undefined when there is none. Rejects when it cannot be known. */
  read(): Promise<Versioned<GroupState> | undefined> {
    return this.#register.read();
  }

  /**
   * Makes one transition of the state `before`, unless another one has been made of it. Rejects as the CasRegister
   * does; with an InvariantError when the transition is illegal in that state.
   */
  async change(
    before: Versioned<GroupState> | undefined,
    transition: Transition,
  ): Promise<Versioned<GroupState>> {
    const next = this.#apply(before?.value, transition);
    if (before === undefined) return await this.#register.create(next);
    return await this.#register.compareAndSet(next, before.version);
  }

  #apply(before: GroupState | undefined, transition: Transition): GroupState {
    try {
      return apply(before, transition);
    } catch (error) {
      this.#onFailure(error);
      throw error;
    }
  }
}

/**
 * The state of a group in its znode. A master gives its own session: once that is over, it changes nothing any more.
 * `onFailure`: as for a `GroupRegister`.
 */
export function groupRegister(
  options: GroupRegisterOptions & { readonly onFailure: (error: unknown) => void },
): GroupRegister {
  return new GroupRegister(groupStateRegister(options), options.onFailure);
}
