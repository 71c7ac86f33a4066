/** Answers of one stream, in the order of its messages. Each is a promise. */
export class PendingAnswers<Answer> {
  readonly #answers: Promise<Answer>[] = [];
  readonly #max: number;
  #isOver = false;
  #wakeReader = () => {};
  #wakeWriter = () => {};

  /** `max`: answers that may wait. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Adds an answer. Resolves when there is room for the next one: with false when the stream is over. */
  async add(answer: Promise<Answer>): Promise<boolean> {
    // If the stream is over before its turn comes, nobody asks how it went.
    answer.catch(() => {});
    this.#answers.push(answer);
    this.#wakeReader();
    while (this.#answers.length >= this.#max && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
    return !this.#isOver;
  }

  /** No more answers will be added. Those that wait are still returned. */
  end(): void {
    this.#isOver = true;
    this.#wakeReader();
    this.#wakeWriter();
  }

  /** The next answer, once it is there. Undefined at the end. Rejects as the answer does. */
  async next(): Promise<Answer | undefined> {
    while (this.#answers.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
    const answer = this.#answers.shift();
    this.#wakeWriter();
    return answer;
  }
}
