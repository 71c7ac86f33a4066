/** An answer that waits until the changes of another group up to a revision have been taken. */
export interface HeldAnswer {
  /** The other group. */
  readonly group: string;
  readonly revision: bigint;
  /** Id of the ring change in which that group gave the keys away. */
  readonly ringChange: bigint;
  /** Whether the keys were given away before the watch began. */
  readonly isBefore: boolean;
}

/** The answers of a watch that wait. */
export class HeldAnswers {
  readonly #held = new Map<HeldAnswer, () => void>();

  /** Resolves when the answer is released. */
  untilReleased(answer: HeldAnswer): Promise<void> {
    return new Promise((release) => this.#held.set(answer, release));
  }

  /** Whether an answer waits for changes of a group. */
  isAwaited(group: string): boolean {
    return [...this.#held.keys()].some((answer) => answer.group === group);
  }

  /** Releases those that `isOver` is true of. */
  release(isOver: (answer: HeldAnswer) => boolean): void {
    for (const [answer, release] of this.#held) {
      if (!isOver(answer)) continue;
      this.#held.delete(answer);
      release();
    }
  }
}
