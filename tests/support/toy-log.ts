import { create } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import {
  EventKind,
  type WatchEvent,
  WatchEventSchema,
  type WatchRequest,
  type WatchResponse,
} from "../../gen/kvlab/v1/data_pb.ts";
import type { ToyPrimary, WatchAnswer } from "./toy-groups.ts";

/** A put of a key. */
export function event(key: string, revision: bigint, epoch = 1n): WatchEvent {
  const value = { case: "text", value: "v" } as const;
  return create(WatchEventSchema, { kind: EventKind.PUT, key, value, revision, epoch });
}

/** The keys and revisions of an answer, like `a11`. */
export function shown({ events }: WatchResponse): string[] {
  return events.map(({ key, revision }) => `${key}${revision}`);
}

/** A primary whose log has these events. Its watches get what the test appends while they are open. */
export class ToyLog implements ToyPrimary {
  readonly #events: WatchEvent[] = [];
  readonly #marks: WatchAnswer[] = [];
  #last: bigint;
  #wake = () => {};
  #isDue = false;
  /** Fails the next step of a watch. */
  fault: ConnectError | undefined;
  /** What a watch after a revision, or from now on, is told first. */
  accepted: WatchAnswer["taken"];
  open = 0;
  readonly #epoch: bigint;

  constructor(last: bigint, epoch = 1n) {
    this.#last = last;
    this.#epoch = epoch;
  }

  append(...events: WatchEvent[]): void {
    this.#events.push(...events);
    this.#last = events.at(-1)?.revision ?? this.#last;
    this.wake();
  }

  /** The next answer says that keys change hands, or that the group has none any more. */
  mark(mark: Pick<WatchAnswer, "taken" | "given" | "hasLeft">): void {
    this.#last++;
    this.#marks.push({ ...mark, revision: this.#last, epoch: this.#epoch });
    this.wake();
  }

  /** Lets the watch say how far it has come. */
  wake(): void {
    this.#isDue = true;
    this.#wake();
  }

  async *watch(request: WatchRequest, signal: AbortSignal) {
    let at =
      request.afterRingChange === undefined || request.fromNow ? (request.afterRevision ?? this.#last) : 0n;
    const answer = (): WatchAnswer => {
      const events = this.#events.filter(({ revision }) => revision > at);
      at = this.#last;
      return { events, revision: at, epoch: this.#epoch };
    };
    this.open++;
    signal.addEventListener("abort", () => this.open--);
    const isTold = request.afterRevision !== undefined || request.fromNow;
    const taken = isTold ? (this.accepted ?? []) : [];
    yield { events: [], revision: at, epoch: this.#epoch, taken };
    this.#isDue ||= at < this.#last;
    while (!signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener("abort", () => resolve());
        if (this.#isDue) resolve();
      });
      this.#isDue = false;
      const { fault } = this;
      this.fault = undefined;
      if (fault !== undefined) throw fault;
      const before = this.#marks.length === 0 ? undefined : this.#marks.splice(0);
      if (!signal.aborted) yield* before ?? [answer()];
    }
  }
}
