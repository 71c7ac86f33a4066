import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import {
  type Answer,
  type DataService,
  type Failure,
  type Operation,
  OperationSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import type { Deadline } from "../deadline.ts";
import { type Call, sizeOf } from "../requests.ts";

export type DataClient = Client<typeof DataService>;

/** The end of a call, as a pipe tells it. */
export type Outcome = Exclude<Answer["answer"], { case: undefined }>;

/** Carries calls to one server, several in a message. */
export interface Channel {
  /**
   * Resolves with what the server has answered, a failure included. Rejects with a ConnectError when the connection
   * fails, or at the deadline with its reason. Waits while too much is under way already.
   */
  send(attempt: Attempt, deadline: Deadline): Promise<Outcome>;
  /** Fails what is under way. The channel is of no use afterwards. */
  close(reason: ConnectError): void;
}

/** One sending of a call. */
export interface Attempt {
  readonly call: Call;
  /** Milliseconds that the server may take; undefined: as long as it does without being told. */
  readonly timeoutMs: number | undefined;
  /** Whether the server may have seen it. */
  sent: boolean;
}

/** How much may be under way to one server at a time. */
export interface ChannelLimits {
  readonly operationsMax: number;
  readonly bytesMax: number;
}

/** A message takes no more calls when it has so many bytes. Larger ones would keep small calls waiting. */
const messageBytesMax = 256 * 1024;

/** A call in a channel, until it ends. */
export interface Pending {
  readonly attempt: Attempt;
  readonly deadline: Deadline;
  readonly bytes: number;
  /** Once it has been sent: what is to be done when its caller gives it up. */
  drop: (() => void) | undefined;
  settle(outcome: Outcome): void;
  fail(error: unknown): void;
}

/** Whether a call is so large that it goes by itself. */
export function isLarge(call: Call): boolean {
  return sizeOf(call) > messageBytesMax;
}

/** Puts a call into `queue`, until its channel takes it out or it is given up. */
export function enqueue(queue: Set<Pending>, attempt: Attempt, deadline: Deadline): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    if (deadline.ended !== undefined) return reject(deadline.ended);
    const leave = deadline.onEnd((reason) => {
      if (!queue.delete(pending)) pending.drop?.();
      reject(reason);
    });
    const pending: Pending = {
      attempt,
      deadline,
      bytes: sizeOf(attempt.call),
      drop: undefined,
      settle(outcome) {
        leave();
        resolve(outcome);
      },
      fail(error) {
        leave();
        reject(error);
      },
    };
    queue.add(pending);
  });
}

/**
 * Takes the calls of one message out of `queue`, the oldest first, `callsMax` at most. `name` gives each an id, or undefined when there is
 * no room for it now.
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
    operations.push(create(OperationSchema, { id, timeoutMs, call }));
  }
  return operations;
}

/** Fails calls, and takes them out of where they are. */
export function failAll(calls: { values(): Iterable<Pending>; clear(): void }, error: ConnectError): void {
  const failed = [...calls.values()];
  calls.clear();
  for (const pending of failed) pending.fail(error);
}

/** Gives the calls of a message their answers. */
export function settleAll(answers: readonly Answer[], take: (id: number) => Pending | undefined): void {
  for (const { id, answer } of answers) {
    // One that is not known has been given up.
    const pending = take(id);
    if (answer.case !== undefined) pending?.settle(answer);
    else pending?.fail(new ConnectError("the server sent an empty answer", Code.Internal));
  }
}

/** A failure within a pipe as the error that the call alone would have had. */
export function toConnectError({ code, message, details }: Failure): ConnectError {
  const error = new ConnectError(message, code);
  error.details = details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return error;
}

/** For calls that were never sent. */
export function notSent(reason: string, cause?: unknown): ConnectError {
  const detail = { desc: NotAppliedSchema, value: create(NotAppliedSchema) };
  return new ConnectError(reason, Code.Unavailable, undefined, [detail], cause);
}
