import type { Scheduler } from "./scheduler.ts";

interface Message<Content> {
  readonly content: Content;
  readonly readyMs: number;
}

/** A link that swallows the messages is tried again so often. */
const retryMs = 150;

/** One direction of a connection: messages arrive in their order, each a while after it was sent. */
export class Pipe<Content> {
  readonly #queue: Message<Content>[] = [];
  readonly #scheduler: Scheduler;
  readonly #what: string;
  readonly #link: { latencyMs(): number; isCut(): boolean };
  readonly #arrive: (content: Content) => void;
  #cancel: (() => void) | undefined;
  #readyMs = 0;

  constructor(
    scheduler: Scheduler,
    what: string,
    link: { latencyMs(): number; isCut(): boolean },
    arrive: (content: Content) => void,
  ) {
    this.#scheduler = scheduler;
    this.#what = what;
    this.#link = link;
    this.#arrive = arrive;
  }

  send(content: Content): void {
    this.#readyMs = Math.max(this.#readyMs, this.#scheduler.nowMs + this.#link.latencyMs());
    this.#queue.push({ content, readyMs: this.#readyMs });
    this.#wait(0);
  }

  /** Ends the pipe. Returns what has not arrived. */
  close(): Content[] {
    this.#cancel?.();
    return this.#queue.splice(0).map(({ content }) => content);
  }

  #wait(leastMs: number): void {
    const first = this.#queue[0];
    if (first === undefined || this.#cancel !== undefined) return;
    const delayMs = Math.max(leastMs, first.readyMs - this.#scheduler.nowMs);
    this.#cancel = this.#scheduler.after(delayMs, this.#what, () => {
      this.#cancel = undefined;
      if (this.#link.isCut()) return this.#wait(retryMs);
      this.#queue.shift();
      this.#arrive(first.content);
      this.#wait(0);
    });
  }
}
