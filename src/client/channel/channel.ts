import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { Answer, DataService, Failure, Operation } from "../../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import type { Deadline, DeadlineListener } from "../deadline.ts";
import type { KvError } from "../errors.ts";
import { type Call, sizeOf } from "../requests.ts";

export type DataClient = Client<typeof DataService>;

/** The end of a call, as a pipe reports it. */
export type Outcome = Exclude<Answer["answer"], { case: undefined }>;

/** Carries calls to one server, several in a message. */
export interface Channel {
  /**
   * Resolves with the server's answer, which may be a failure. Rejects with a ConnectError when the connection fails, or
   * with the deadline's reason when it ends. Waits while too much is in flight.
   */
  send(attempt: Attempt, deadline: Deadline): Promise<Outcome>;
  /** Fails all calls in flight. The channel cannot be used afterwards. */
  close(reason: ConnectError): void;
}

/** One attempt of a call. */
export interface Attempt {
  readonly call: Call;
  /** Milliseconds that the server may take. Undefined: the server's default. */
  readonly timeoutMs: number | undefined;
  /** Whether the server may have seen it. */
  sent: boolean;
}

/** How much may be in flight to one server. */
export interface ChannelLimits {
  readonly operationsMax: number;
  readonly bytesMax: number;
}

/** A message with this many bytes takes no more calls. Larger messages would delay small calls. */
const messageBytesMax = 256 * 1024;

interface PendingOptions {
  readonly attempt: Attempt;
  readonly deadline: Deadline;
  /** Where it waits until it is sent. */
  readonly queue: Set<Pending>;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (reason: unknown) => void;
}

/** A call in a channel that has not ended. */
export class Pending implements DeadlineListener {
  readonly attempt: Attempt;
  readonly deadline: Deadline;
  readonly bytes: number;
  /** Set once it was sent: called when its caller cancels it. */
  drop: (() => void) | undefined;
  readonly #options: PendingOptions;

  constructor(options: PendingOptions) {
    const { attempt, deadline } = options;
    this.attempt = attempt;
    this.deadline = deadline;
    this.bytes = sizeOf(attempt.call);
    this.#options = options;
    deadline.addListener(this);
  }

  settle(outcome: Outcome): void {
    this.deadline.removeListener(this);
    this.#options.resolve(outcome);
  }

  fail(error: unknown): void {
    this.deadline.removeListener(this);
    this.#options.reject(error);
  }

  /** The deadline has ended. */
  ended(reason: KvError): void {
    const { queue, reject } = this.#options;
    if (!queue.delete(this)) this.drop?.();
    reject(reason);
  }
}

/** Whether a call is so large that it gets a message of its own. */
export function isLarge(call: Call): boolean {
  return sizeOf(call) > messageBytesMax;
}

/** Puts a call into `queue`, until its channel takes it out or its caller cancels it. */
export function enqueue(queue: Set<Pending>, attempt: Attempt, deadline: Deadline): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    if (deadline.ended !== undefined) reject(deadline.ended);
    else queue.add(new Pending({ attempt, deadline, queue, resolve, reject }));
  });
}

/**
 * Takes the calls of one message out of `queue`: the oldest first, at most `callsMax`. `name` returns the id of a call,
 * or undefined when there is no room for it now.
 */
export function takeMessage(
  queue: Set<Pending>,
  callsMax: number,
  name: (pending: Pending) => number | undefined,
): Operation[] {
  const operations: Operation[] = [];
  let bytes = 0;
  for (const pending of queue) {
    bytes += pending.bytes;
    if (operations.length > 0 && (bytes > messageBytesMax || operations.length >= callsMax)) break;
    const id = name(pending);
    if (id === undefined) break;
    queue.delete(pending);
    const { call, timeoutMs = 0 } = pending.attempt;
    pending.attempt.sent = true;
    operations.push({ $typeName: "kvlab.v1.Operation", id, timeoutMs, call });
  }
  return operations;
}

/** Fails all calls, and clears the collection. */
export function failAll(calls: { values(): Iterable<Pending>; clear(): void }, error: ConnectError): void {
  const failed = [...calls.values()];
  calls.clear();
  for (const pending of failed) pending.fail(error);
}

/** Settles calls with the answers of a message. */
export function settleAll(answers: readonly Answer[], take: (id: number) => Pending | undefined): void {
  for (const { id, answer } of answers) {
    // An unknown call was cancelled.
    const pending = take(id);
    if (answer.case !== undefined) pending?.settle(answer);
    else pending?.fail(new ConnectError("the server sent an empty answer", Code.Internal));
  }
}

/** The failure of a call in a pipe, as the error of the same call by itself. */
export function toConnectError({ code, message, details }: Failure): ConnectError {
  const error = new ConnectError(message, code);
  error.details = details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return error;
}

/** The error of calls that were never sent. */
export function notSent(reason: string, cause?: unknown): ConnectError {
  const detail = { desc: NotAppliedSchema, value: create(NotAppliedSchema) };
  return new ConnectError(reason, Code.Unavailable, undefined, [detail], cause);
}
