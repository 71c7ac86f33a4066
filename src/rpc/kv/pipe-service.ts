import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type {
  AnswerSchema,
  ExchangeRequest,
  Operation,
  PipeRequest,
  PipeResponseSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import type { Clock } from "../../common/clock.ts";
import { Deadlines } from "../../common/deadlines.ts";
import { defaultDeadlineMs, startDeadline } from "../deadline.ts";
import { toConnectError } from "../errors.ts";
import { checkFields } from "../unknown-fields.ts";
import type { UnaryCalls } from "./unary-calls.ts";

type Answer = MessageInitShape<typeof AnswerSchema>;

/** Concurrent calls of one pipe. While there are as many, no more are read. */
const callsMax = 256;

/** When answers with this many bytes wait for the caller, no more calls are read. Also the limit of one message. */
const answerBytesMax = 1024 * 1024;

/**
 * Bytes that the answers of all gets in flight may have, estimated from earlier answers. The least estimate of one get
 * allows as many gets as there may be calls.
 */
const getBytesMax = 4 * 1024 * 1024;
const getBytesLeast = 16 * 1024;

/** Bytes of waiting answers that are kept. Calls in flight may add that many; a get beyond it must be retried. */
const heldBytesMax = 64 * 1024 * 1024;

/** Calls of one exchange, and how many of them run concurrently: each may read a value of maximum length. */
const exchangeCallsMax = 1000;
const exchangeCallsAtOnce = 64;

/** The handlers of Pipe and Exchange. */
export function pipeHandlers(calls: UnaryCalls, clock: Clock) {
  const deadlines = new Deadlines(clock);
  return {
    pipe: (requests: AsyncIterable<PipeRequest>, context: HandlerContext) =>
      runPipe({ calls, deadlines, requests, signal: context.signal }),
    exchange: async ({ operations }: ExchangeRequest) => ({
      answers: await exchange(calls, deadlines, operations),
    }),
  };
}

/** Runs the calls of one message. Reads whose answers do not fit get an error instead. */
async function exchange(
  calls: UnaryCalls,
  deadlines: Deadlines,
  operations: readonly Operation[],
): Promise<Answer[]> {
  if (operations.length > exchangeCallsMax) {
    const message = `the exchange has ${operations.length} operations; at most ${exchangeCallsMax} are allowed`;
    throw new ConnectError(message, Code.InvalidArgument);
  }
  const answers: Answer[] = [];
  let bytes = 0;
  const left = operations.values();
  const carryOut = async () => {
    for (const operation of left) {
      const isFull = operation.call.case === "get" && bytes >= answerBytesMax;
      const answer = isFull ? noRoom(operation) : await answerTo(calls, deadlines, operation);
      const fits = bytes === 0 || bytes + bytesOf(answer) <= answerBytesMax;
      if (fits) bytes += bytesOf(answer);
      answers.push(fits ? answer : noRoom(operation));
    }
  };
  await Promise.all(Array.from({ length: exchangeCallsAtOnce }, carryOut));
  return answers;
}

/** Only reads get this answer, so the call can be retried. */
function noRoom({ id }: { readonly id?: number | undefined }): Answer {
  const error = new OperationError(
    "unavailable",
    "the answers of these calls are too long together: ask again",
  );
  return {
    ...(id !== undefined && { id }),
    answer: { case: "failure", value: toFailure(toConnectError(error)) },
  };
}

/** A call of Pipe. */
interface PipeCall {
  readonly calls: UnaryCalls;
  readonly deadlines: Deadlines;
  readonly requests: AsyncIterable<PipeRequest>;
  readonly signal: AbortSignal;
}

async function* runPipe(
  call: PipeCall,
): AsyncGenerator<MessageInitShape<typeof PipeResponseSchema>, void, void> {
  const pipe = new Pipe();
  void readCalls(call, pipe);
  try {
    for (;;) {
      const answers = await pipe.takeAnswers();
      if (answers === undefined) return;
      yield { answers };
    }
  } finally {
    pipe.close();
  }
}

/**
 * Starts calls as they come and as there is room for them, until the caller or the server ends the pipe. Never rejects:
 * an error of the incoming stream ends the pipe after the calls before it are answered.
 */
async function readCalls({ calls, deadlines, requests, signal }: PipeCall, pipe: Pipe): Promise<void> {
  const stop = () => pipe.close();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    for await (const { operations } of requests) {
      for (const operation of operations) {
        const isGet = operation.call.case === "get";
        if (pipe.isFull(isGet) && !(await pipe.room(isGet))) return stop();
        // The call continues even if the pipe breaks. It has its own deadline.
        pipe.begin(isGet);
        void answerTo(calls, deadlines, operation).then((answer) => pipe.end(answer, isGet));
      }
    }
    stop();
  } catch (reason) {
    pipe.close(reason);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The state of one pipe. */
class Pipe {
  #underWay = 0;
  #getsUnderWay = 0;
  /** Estimate of the bytes of a get in flight. It rises to the largest answer at once, and then falls slowly. */
  #getBytes = getBytesLeast;
  #answers: Answer[] = [];
  #answerBytes = 0;
  #isClosed = false;
  #reason: unknown;
  #onRoom: (() => void) | undefined;
  #onAnswer: (() => void) | undefined;

  /** Resolves with true when another call may begin, and with false when the pipe is closed. */
  async room(isGet: boolean): Promise<boolean> {
    while (!this.#isClosed && this.isFull(isGet)) {
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve;
      });
    }
    return !this.#isClosed;
  }

  begin(isGet: boolean): void {
    this.#underWay++;
    if (isGet) this.#getsUnderWay++;
  }

  end(given: Answer, isGet: boolean): void {
    this.#underWay--;
    const bytes = bytesOf(given);
    if (isGet) {
      this.#getsUnderWay--;
      this.#getBytes = Math.max(bytes, getBytesLeast, this.#getBytes * 0.9);
    }
    const fits = this.#answerBytes === 0 || this.#answerBytes + bytes <= heldBytesMax;
    const answer = fits ? given : noRoom(given);
    this.#answers.push(answer);
    this.#answerBytes += bytesOf(answer);
    this.#onAnswer?.();
    this.#onRoom?.();
  }

  /** Whether no call of this kind may begin now. */
  isFull(isGet: boolean): boolean {
    if (this.#isClosed) return true;
    if (this.#underWay >= callsMax || this.#answerBytes >= answerBytesMax) return true;
    return isGet && this.#getsUnderWay > 0 && (this.#getsUnderWay + 1) * this.#getBytes > getBytesMax;
  }

  /** Ends the pipe: no more calls begin. `reason`: the error, if there is one. */
  close(reason?: unknown): void {
    this.#isClosed = true;
    this.#reason ??= reason;
    this.#onAnswer?.();
    this.#onRoom?.();
  }

  /** The next answers, at least one. At the end it returns undefined, or throws the reason of the end. */
  async takeAnswers(): Promise<Answer[] | undefined> {
    while (this.#answers.length === 0) {
      if (this.#isClosed && this.#underWay === 0) {
        if (this.#reason !== undefined) throw this.#reason;
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#onAnswer = resolve;
      });
    }
    let bytes = 0;
    const end = this.#answers.findIndex((answer) => {
      bytes += bytesOf(answer);
      return bytes > answerBytesMax;
    });
    // A message is never much larger than the limit, unless its only answer is.
    const answers = this.#answers.splice(0, end < 0 ? this.#answers.length : Math.max(1, end));
    for (const answer of answers) this.#answerBytes -= bytesOf(answer);
    this.#onRoom?.();
    return answers;
  }
}

/** Bytes of an answer. Only values count, since nothing else is large. */
function bytesOf({ answer }: Answer): number {
  return answer?.case === "get" ? (answer.value.value?.value?.length ?? 0) : 0;
}

/** Runs one call. Never rejects. */
async function answerTo(calls: UnaryCalls, deadlines: Deadlines, operation: Operation): Promise<Answer> {
  const { id, timeoutMs, call } = operation;
  const { signal, release } = startDeadline(deadlines, timeoutMs === 0 ? defaultDeadlineMs : timeoutMs);
  try {
    checkFields(operation);
    switch (call.case) {
      case "get":
        return { id, answer: { case: "get", value: await calls.get(call.value, signal) } };
      case "put":
        return { id, answer: { case: "put", value: await calls.put(call.value, signal) } };
      case "delete":
        return { id, answer: { case: "delete", value: await calls.delete(call.value, signal) } };
      case "batch":
        return { id, answer: { case: "batch", value: await calls.batch(call.value, signal) } };
      default:
        throw new ConnectError(
          "the operation is empty; it must be a get, put, delete or batch",
          Code.InvalidArgument,
        );
    }
  } catch (error) {
    return { id, answer: { case: "failure", value: toFailure(ConnectError.from(error, Code.Internal)) } };
  } finally {
    release();
  }
}

function toFailure({ code, rawMessage, details }: ConnectError) {
  return {
    code,
    message: rawMessage,
    details: details.map((detail) =>
      "desc" in detail
        ? anyPack(detail.desc, create(detail.desc, detail.value))
        : { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value },
    ),
  };
}
