import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Operation, type PipeRequest, PipeRequestSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import type { Channel, ChannelLimits, DataClient, Pending } from "./channel.ts";
import { enqueue, failAll, isLarge, notSent, settleAll, takeMessage } from "./channel.ts";
import { createSingles } from "./single.ts";

/** A pipe that carries nothing for so long is ended. The next call opens another. */
const idleMs = 30_000;

/** Calls in one message. */
const messageCallsMax = 1_000;

/** One stream; it is not used again once it has ended. */
interface Stream {
  readonly underWay: Map<number, Pending>;
  readonly ending: AbortController;
  bytes: number;
  /** Lets the sending side look again. */
  wake: () => void;
  /** Set when nothing is to be sent any more. */
  over: boolean;
}

/**
 * Calls over one bidirectional stream, opened when there are calls and again when it broke. A call is sent at once;
 * those that come while a message is being handed to the transport share the next one.
 */
export function openPipe(client: DataClient, limits: ChannelLimits): Channel {
  const queue = new Set<Pending>();
  const sendSingle = createSingles(client);
  let stream: Stream | undefined;
  let lastId = 0;

  /** The next message, of what there is room for. */
  function take(to: Stream): Operation[] {
    return takeMessage(queue, messageCallsMax, (pending) => {
      const room = to.underWay.size < limits.operationsMax && to.bytes + pending.bytes <= limits.bytesMax;
      if (!room && to.underWay.size > 0) return undefined;
      do lastId = (lastId + 1) >>> 0;
      while (to.underWay.has(lastId));
      to.underWay.set(lastId, pending);
      to.bytes += pending.bytes;
      const id = lastId;
      pending.drop = () => void release(to, id);
      return id;
    });
  }

  async function* messages(to: Stream): AsyncGenerator<PipeRequest> {
    const isIdle = () => to.underWay.size === 0 && queue.size === 0;
    while (!to.over) {
      const operations = take(to);
      if (operations.length > 0) {
        yield create(PipeRequestSchema, { operations });
        continue;
      }
      const timer = isIdle() ? setTimeout(() => to.wake(), idleMs) : undefined;
      const sinceMs = performance.now();
      await new Promise<void>((resolve) => {
        to.wake = resolve;
      });
      clearTimeout(timer);
      if (isIdle() && performance.now() - sinceMs >= idleMs) break;
    }
    to.over = true;
    if (stream === to) stream = undefined;
  }

  function release(from: Stream, id: number): Pending | undefined {
    const pending = from.underWay.get(id);
    if (pending === undefined) return undefined;
    from.underWay.delete(id);
    from.bytes -= pending.bytes;
    return pending;
  }

  async function run(to: Stream): Promise<void> {
    let error: ConnectError;
    try {
      for await (const { answers } of client.pipe(messages(to), { signal: to.ending.signal })) {
        settleAll(answers, (id) => release(to, id));
        // There may be room now.
        if (queue.size > 0) to.wake();
      }
      error = new ConnectError("the server has ended the pipe", Code.Unavailable);
    } catch (reason) {
      error = endOfPipe(ConnectError.from(to.ending.signal.aborted ? to.ending.signal.reason : reason));
    }
    const broke = stream === to;
    if (broke) stream = undefined;
    to.over = true;
    to.wake();
    failAll(to.underWay, error);
    // Those that wait would fare no better on another stream now.
    if (broke) failAll(queue, notSent(error.rawMessage, error));
  }

  function open(): Stream {
    const ending = new AbortController();
    const opened: Stream = { underWay: new Map(), ending, bytes: 0, wake: () => {}, over: false };
    void run(opened);
    return opened;
  }

  return {
    send(attempt, deadline) {
      if (isLarge(attempt.call)) return sendSingle(attempt, deadline);
      const outcome = enqueue(queue, attempt, deadline);
      stream ??= open();
      stream.wake();
      return outcome;
    },
    close(reason) {
      stream?.ending.abort(reason);
    },
  };
}

/** What the end of a pipe means for its calls: whatever has ended it, nobody has said what became of them. */
function endOfPipe(error: ConnectError): ConnectError {
  switch (error.code) {
    case Code.Unimplemented:
    case Code.PermissionDenied:
    case Code.Unauthenticated:
      return error;
    default: {
      const broken = new ConnectError(error.rawMessage, Code.Unavailable, undefined, undefined, error);
      broken.details = error.details;
      return broken;
    }
  }
}
