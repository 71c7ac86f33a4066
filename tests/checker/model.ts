/**
 * A sequential object: what a store would do if it took one operation after another. A history is linearizable when
 * the model can take its operations in an order that time allows.
 *
 * An operation carries what was asked and what was answered. Where the outcome is unknown there is no answer, or one
 * that somebody has learnt by other means. States are immutable. Everything here is pure.
 */
export interface Model<State, Operation> {
  readonly initial: State;

  /**
   * The state after `operation` has taken effect in `state`; undefined when its answer cannot be given there.
   * What is not known of the outcome is kept open in the state, not guessed.
   * Returns `state` itself only for operations that change nothing wherever they are possible, but for what they tell
   * of what was open: the search looks no further for a place for them.
   */
  step(state: State, operation: Operation): State | undefined;

  /** The same for two states only if no operation can tell them apart. */
  stateKey(state: State): string;

  /**
   * The parts of the object that the operation touches, at least one. Operations that are not connected by shared
   * parts are checked apart from each other.
   */
  partsOf(operation: Operation): readonly string[];

  /** What is left of the operation when nobody knows its outcome. */
  withoutAnswer(operation: Operation): Operation;

  describe(operation: Operation): string;

  describeState(state: State): string;

  /**
   * Speeds the search up where answers tell an order: of two operations that are checked together, the one of lower
   * rank can only take effect before the other. Undefined: the operation has no rank.
   */
  rank?(operation: Operation): number | undefined;

  readonly signs?: Signs<Operation>;
}

/**
 * Speeds the search up where outcomes are unknown, by letting it place such an operation only where it is noticed.
 *
 * What must hold: every legal order can be turned into another by leaving out or delaying operations of unknown
 * outcome, so that each of them that has signs leaves one that is needed by the next operation of known outcome, or by
 * one of unknown outcome before that; and where several leave the same sign, only the last is there for it.
 * Operations of unknown outcome without rank that leave and need the same signs are interchangeable, where signs that
 * nobody needs do not count.
 */
export interface Signs<Operation> {
  /** Undefined: it has no signs, for it can matter in other ways. */
  leftBy(operation: Operation): readonly string[] | undefined;
  neededBy(operation: Operation): readonly string[];
}
