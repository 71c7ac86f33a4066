import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { ExchangeRequest, Operation } from "../../../gen/kvlab/v1/data_pb.ts";
import type { Clock } from "../../common/clock.ts";
import { Deadlines } from "../../common/deadlines.ts";
import { type CallRoom, callRoom } from "../call-room.ts";
import { defaultDeadlineMs, SharedDeadline } from "../deadline.ts";
import { duplexHandler } from "../duplex.ts";
import { type Answer, answerTo, bytesOf, noRoom } from "./operations.ts";
import { answerBytesMax, Pipe } from "./pipe.ts";
import type { UnaryCalls } from "./unary-calls.ts";

/** Calls of one exchange, and how many of them run concurrently: each may read a value of maximum length. */
const exchangeCallsMax = 1000;
const exchangeCallsAtOnce = 64;

/** The handlers of Pipe and Exchange. */
export function pipeHandlers(calls: UnaryCalls, clock: Clock) {
  const deadlines = new Deadlines(clock);
  return {
    pipe: duplexHandler((events) => new Pipe({ calls, deadlines }, events)),
    exchange: async ({ operations }: ExchangeRequest, { values }: Pick<HandlerContext, "values">) => ({
      answers: await exchange({ calls, deadlines, room: values.get(callRoom) }, operations),
    }),
  };
}

interface ExchangeContext {
  readonly calls: UnaryCalls;
  readonly deadlines: Deadlines;
  readonly room: Pick<CallRoom, "hold">;
}

/** Runs the calls of one message. Reads whose answers do not fit get an error instead. */
async function exchange(
  { calls, deadlines, room }: ExchangeContext,
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
      const isGet = operation.call.case === "get";
      const isFull = isGet && bytes >= answerBytesMax;
      const answer = isFull ? noRoom(operation) : await answerAlone(calls, deadlines, operation);
      // A write may have been applied, so that its answer must not be lost. It is short.
      const size = bytesOf(answer);
      const isShort = bytes === 0 || bytes + size <= answerBytesMax;
      const fits = !isGet || (isShort && room.hold(bytes + size));
      if (fits) bytes += size;
      answers.push(fits ? answer : noRoom(operation));
    }
  };
  await Promise.all(Array.from({ length: exchangeCallsAtOnce }, carryOut));
  return answers;
}

async function answerAlone(calls: UnaryCalls, deadlines: Deadlines, operation: Operation): Promise<Answer> {
  const { timeoutMs } = operation;
  const deadline = new SharedDeadline(deadlines, timeoutMs === 0 ? defaultDeadlineMs : timeoutMs);
  try {
    return await answerTo(calls, operation, deadline);
  } finally {
    deadline.release();
  }
}
