import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  DataService,
  type Operation,
  type PipeRequest,
  PipeRequestSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import type { Clock } from "../../common/clock.ts";
import type { Deadline } from "../deadline.ts";
import type { Duplex, OpenDuplex } from "../transport/duplex.ts";
import {
  type Attempt,
  type Channel,
  type ChannelLimits,
  enqueue,
  failAll,
  isLarge,
  notSent,
  type Outcome,
  type Pending,
  settleAll,
  takeMessage,
} from "./channel.ts";
import type { Singles } from "./singles.ts";

/** How often to check whether a pipe is idle. It ends if it had no calls since the last check. */
const idleMs = 30_000;

/** Calls in one message. */
const messageCallsMax = 1_000;

export interface PipeOptions {
  readonly open: OpenDuplex;
  /** Carries the large calls. */
  readonly singles: Singles;
  readonly limits: ChannelLimits;
  readonly clock: Clock;
}

/** One stream. It is not reused once it has ended. */
interface Stream {
  readonly duplex: Duplex<PipeRequest>;
  readonly underWay: Map<number, Pending>;
  bytes: number;
  /** Number of messages sent. */
  sent: number;
  /** Stops looking whether it is idle. */
  stopLooking: () => void;
}

/**
 * Sends calls over one bidirectional stream. The stream opens when there are calls, and again after it broke. Calls of
 * the same turn share a message, and so do those that come while the transport has no room.
 */
export class Pipe implements Channel {
  readonly #options: PipeOptions;
  readonly #queue = new Set<Pending>();
  #stream: Stream | undefined;
  #lastId = 0;
  #isScheduled = false;

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  send(attempt: Attempt, deadline: Deadline): Promise<Outcome> {
    if (isLarge(attempt.call)) return this.#options.singles.send(attempt, deadline);
    const outcome = enqueue(this.#queue, attempt, deadline);
    this.#stream ??= this.#open();
    if (!this.#isScheduled) queueMicrotask(this.#flush);
    this.#isScheduled = true;
    return outcome;
  }

  close(reason: ConnectError): void {
    this.#options.singles.close(reason);
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.duplex.cancel();
    this.#end(stream, endOfPipe(reason));
  }

  #open(): Stream {
    const duplex = this.#options.open(DataService.method.pipe, {
      onMessage: ({ answers }) => {
        settleAll(answers, (id) => release(stream, id));
        // There may be room for more calls now.
        this.#flow();
      },
      onRoom: () => this.#flow(),
      onEnd: (error) =>
        this.#end(
          stream,
          error === undefined
            ? new ConnectError("the server has ended the pipe", Code.Unavailable)
            : endOfPipe(error),
        ),
    });
    const stream: Stream = { duplex, underWay: new Map(), bytes: 0, sent: 0, stopLooking: () => {} };
    this.#endOnceIdle(stream, -1);
    return stream;
  }

  /** Ends the stream once nothing is in flight and nothing was sent since `sent` messages. */
  #endOnceIdle(stream: Stream, sent: number): void {
    if (stream.underWay.size > 0 || this.#queue.size > 0 || stream.sent !== sent) {
      const look = () => this.#endOnceIdle(stream, stream.sent);
      stream.stopLooking = this.#options.clock.timer(idleMs, look);
    } else {
      if (this.#stream === stream) this.#stream = undefined;
      stream.duplex.end();
    }
  }

  /** The stream carries nothing any more. */
  #end(stream: Stream, error: ConnectError): void {
    stream.stopLooking();
    const broke = this.#stream === stream;
    if (broke) this.#stream = undefined;
    failAll(stream.underWay, error);
    // Waiting calls would fail on a new stream too.
    if (broke) failAll(this.#queue, notSent(error.rawMessage, error));
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    this.#flow();
  };

  /** Sends waiting calls, as many as there is room for. */
  #flow(): void {
    const stream = this.#stream;
    while (this.#queue.size > 0 && stream?.duplex.hasRoom) {
      const operations = this.#take(stream);
      if (operations.length === 0) return;
      stream.sent++;
      stream.duplex.send(create(PipeRequestSchema, { operations }));
    }
  }

  /** The calls of the next message, as many as there is room for. */
  #take(stream: Stream): Operation[] {
    const { operationsMax, bytesMax } = this.#options.limits;
    return takeMessage(this.#queue, messageCallsMax, (pending) => {
      const room = stream.underWay.size < operationsMax && stream.bytes + pending.bytes <= bytesMax;
      if (!room && stream.underWay.size > 0) return undefined;
      do this.#lastId = (this.#lastId + 1) >>> 0;
      while (stream.underWay.has(this.#lastId));
      const id = this.#lastId;
      stream.underWay.set(id, pending);
      stream.bytes += pending.bytes;
      pending.drop = () => void release(stream, id);
      return id;
    });
  }
}

function release(stream: Stream, id: number): Pending | undefined {
  const pending = stream.underWay.get(id);
  if (pending === undefined) return undefined;
  stream.underWay.delete(id);
  stream.bytes -= pending.bytes;
  return pending;
}

/** The error of calls in flight when a pipe ends. Whatever the reason, their outcome is not known. */
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
