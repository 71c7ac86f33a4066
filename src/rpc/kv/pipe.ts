import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Operation, PipeRequest, PipeResponseSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import type { Deadlines } from "../../common/deadlines.ts";
import { defaultDeadlineMs, SharedDeadline } from "../deadline.ts";
import type { DuplexCall, DuplexEvents } from "../duplex.ts";
import { type Answer, answerTo, bytesOf, noRoom } from "./operations.ts";
import type { UnaryCalls } from "./unary-calls.ts";

/** Concurrent operations of one pipe. While there are as many, no more begin. */
const operationsMax = 256;

/** When answers with this many bytes wait for the caller, no more operations begin. Also the limit of one message. */
export const answerBytesMax = 1024 * 1024;

/**
 * Bytes that the answers of all gets in flight may have, estimated from earlier answers. The least estimate of one get
 * allows as many gets as there may be operations. Before the first answer nobody knows, and few begin.
 */
const getBytesMax = 4 * 1024 * 1024;
const getBytesLeast = 16 * 1024;
const getBytesFirst = 1024 * 1024;

/** Bytes of waiting answers that are kept. Operations in flight may add that many; a get beyond it must be retried. */
const heldBytesMax = 64 * 1024 * 1024;

export interface PipeOptions {
  readonly calls: UnaryCalls;
  readonly deadlines: Deadlines;
}

type Message = MessageInitShape<typeof PipeResponseSchema>;

/**
 * One call of `Pipe`. Begins operations as they come and as there is room for them. Operations that have begun continue
 * even if the pipe breaks: each has its own deadline.
 */
export class Pipe implements DuplexCall<PipeRequest, Message> {
  readonly #options: PipeOptions;
  readonly #events: DuplexEvents;
  /** The last message. Its operations from `next` on have not begun. */
  #waiting: readonly Operation[] = [];
  #next = 0;
  #underWay = 0;
  #getsUnderWay = 0;
  /** Estimate of the bytes of a get in flight: rises to the largest answer at once, and then falls slowly. */
  #getBytes: number | undefined;
  #answers: Answer[] = [];
  #answerBytes = 0;
  #closed: { reason: unknown } | undefined;

  constructor(options: PipeOptions, events: DuplexEvents) {
    this.#options = options;
    this.#events = events;
  }

  accept({ operations }: PipeRequest): boolean {
    if (this.#closed !== undefined) return false;
    this.#waiting = operations;
    this.#next = 0;
    return this.#beginAll();
  }

  /** Operations that have not begun never will. */
  close(reason?: unknown): void {
    this.#closed ??= { reason };
    this.#closed.reason ??= reason;
    this.#waiting = [];
    this.#events.onOutput();
  }

  get end(): { readonly reason: unknown } | undefined {
    return this.#underWay === 0 && this.#answers.length === 0 ? this.#closed : undefined;
  }

  take(): Message | undefined {
    if (this.#answers.length === 0) return undefined;
    const answers = this.#takeAnswers();
    this.#goOn();
    return { answers };
  }

  #takeAnswers(): Answer[] {
    const answers = this.#answers;
    if (this.#answerBytes <= answerBytesMax) {
      this.#answers = [];
      this.#answerBytes = 0;
      return answers;
    }
    let bytes = 0;
    const end = answers.findIndex((answer) => {
      bytes += bytesOf(answer);
      return bytes > answerBytesMax;
    });
    // A message is never much larger than the limit, unless its only answer is.
    const taken = answers.splice(0, Math.max(1, end));
    for (const answer of taken) this.#answerBytes -= bytesOf(answer);
    return taken;
  }

  /** Begins what is left of the last message, as far as there is room. Returns whether another message may come. */
  #beginAll(): boolean {
    let deadline: SharedDeadline | undefined;
    let operation = this.#waiting[this.#next];
    for (; operation !== undefined && !this.#isFull(operation); operation = this.#waiting[++this.#next]) {
      const limitMs = operation.timeoutMs === 0 ? defaultDeadlineMs : operation.timeoutMs;
      // Most operations of a message have the same.
      if (deadline?.limitMs !== limitMs) {
        deadline?.release();
        deadline = new SharedDeadline(this.#options.deadlines, limitMs);
      }
      this.#begin(operation, deadline);
    }
    deadline?.release();
    return operation === undefined;
  }

  #begin(operation: Operation, deadline: SharedDeadline): void {
    const answer = answerTo(this.#options.calls, operation, deadline);
    const isGet = operation.call.case === "get";
    if (!(answer instanceof Promise)) {
      this.#add(answer, isGet);
      return;
    }
    this.#underWay++;
    if (isGet) this.#getsUnderWay++;
    deadline.hold();
    void answer.then((given) => {
      deadline.release();
      this.#underWay--;
      if (isGet) this.#getsUnderWay--;
      this.#add(given, isGet);
      this.#goOn();
    });
  }

  #add(given: Answer, isGet: boolean): void {
    const bytes = bytesOf(given);
    if (isGet) this.#getBytes = Math.max(bytes, getBytesLeast, (this.#getBytes ?? 0) * 0.9);
    // A write may have been applied, so that its answer must not be lost. It is short.
    const fits = !isGet || this.#answerBytes === 0 || this.#answerBytes + bytes <= heldBytesMax;
    const answer = fits ? given : noRoom(given);
    this.#answers.push(answer);
    this.#answerBytes += fits ? bytes : bytesOf(answer);
    this.#events.onOutput();
  }

  /** Goes on with what there was no room for. */
  #goOn(): void {
    if (this.#next < this.#waiting.length && this.#beginAll()) this.#events.onRoom();
  }

  /** Whether an operation must wait. */
  #isFull({ call }: Operation): boolean {
    if (this.#underWay >= operationsMax || this.#answerBytes >= answerBytesMax) return true;
    if (call.case !== "get" || this.#getsUnderWay === 0) return false;
    return (this.#getsUnderWay + 1) * (this.#getBytes ?? getBytesFirst) > getBytesMax;
  }
}
