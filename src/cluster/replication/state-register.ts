import type { GroupState, Versioned } from "../model.ts";

/** `/data/[name]/state` of one group, as this process reaches it now. */
export interface StateRegister {
  /** Whether a call has a chance now. */
  readonly connected: boolean;

  /** The state as of this call or later, or undefined when there is none. Rejects when it cannot be known. */
  read(): Promise<Versioned<GroupState> | undefined>;

  /** Makes the first state. Rejects when there is one, or when the outcome is not known. */
  create(state: GroupState): Promise<Versioned<GroupState>>;

  /**
   * Replaces the state of the given version. Rejects when it has another version, or when the outcome is not known;
   * after a `read` that follows, it is: a change that this read does not show has not happened and never will.
   */
  compareAndSet(next: GroupState, version: number): Promise<Versioned<GroupState>>;
}
