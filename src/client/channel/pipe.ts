import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Operation, type PipeRequest, PipeRequestSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import type { Clock } from "../../common/clock.ts";
import type { Deadline } from "../deadline.ts";
import {
  type Attempt,
  type Channel,
  type ChannelLimits,
  type DataClient,
  enqueue,
  failAll,
  isLarge,
  notSent,
  type Outcome,
  type Pending,
  settleAll,
  takeMessage,
} from "./channel.ts";
import { Singles } from "./singles.ts";

/** How often to check whether a pipe is idle. It ends if it had no calls since the last check. */
const idleMs = 30_000;

/** Calls in one message. */
const messageCallsMax = 1_000;

/** One stream. It is not reused once it has ended. */
interface Stream {
  readonly underWay: Map<number, Pending>;
  readonly ending: AbortController;
  bytes: number;
  /** Number of messages sent. */
  sent: number;
  /** Wakes the sending side. */
  wake: () => void;
  /** Whether nothing more will be sent. */
  over: boolean;
}

/**
 * Sends calls over one bidirectional stream. The stream opens when there are calls, and again after it broke. A call is
 * sent at once. Calls that come while a message is handed to the transport share the next message.
 */
export class Pipe implements Channel {
  readonly #client: DataClient;
  readonly #limits: ChannelLimits;
  readonly #clock: Clock;
  readonly #singles: Singles;
  readonly #queue = new Set<Pending>();
  #stream: Stream | undefined;
  #lastId = 0;

  constructor(client: DataClient, limits: ChannelLimits, clock: Clock) {
    this.#client = client;
    this.#limits = limits;
    this.#clock = clock;
    this.#singles = new Singles(client);
  }

  send(attempt: Attempt, deadline: Deadline): Promise<Outcome> {
    if (isLarge(attempt.call)) return this.#singles.send(attempt, deadline);
    const outcome = enqueue(this.#queue, attempt, deadline);
    this.#stream ??= this.#open();
    this.#stream.wake();
    return outcome;
  }

  close(reason: ConnectError): void {
    this.#stream?.ending.abort(reason);
  }

  #open(): Stream {
    const ending = new AbortController();
    const stream: Stream = { underWay: new Map(), ending, bytes: 0, sent: 0, wake: () => {}, over: false };
    void this.#run(stream).finally(this.#endOnceIdle(stream));
    return stream;
  }

  /** Ends the stream once nothing is in flight and nothing was sent for a while. Returns a function to stop checking. */
  #endOnceIdle(stream: Stream): () => void {
    let sent = -1;
    let cancel = () => {};
    const look = () => {
      if (stream.underWay.size === 0 && this.#queue.size === 0 && stream.sent === sent) {
        stream.over = true;
        if (this.#stream === stream) this.#stream = undefined;
        stream.wake();
        return;
      }
      sent = stream.sent;
      cancel = this.#clock.timer(idleMs, look);
    };
    look();
    return () => cancel();
  }

  /** Reads the answers of a stream until it ends. */
  async #run(stream: Stream): Promise<void> {
    let error: ConnectError;
    const { signal } = stream.ending;
    try {
      for await (const { answers } of this.#client.pipe(this.#messages(stream), { signal })) {
        settleAll(answers, (id) => release(stream, id));
        // There may be room for more calls now.
        if (this.#queue.size > 0) stream.wake();
      }
      error = new ConnectError("the server has ended the pipe", Code.Unavailable);
    } catch (reason) {
      error = endOfPipe(ConnectError.from(signal.aborted ? signal.reason : reason));
    }
    const broke = this.#stream === stream;
    if (broke) this.#stream = undefined;
    stream.over = true;
    stream.wake();
    failAll(stream.underWay, error);
    // Waiting calls would fail on a new stream too.
    if (broke) failAll(this.#queue, notSent(error.rawMessage, error));
  }

  /** The messages to send over a stream. */
  async *#messages(stream: Stream): AsyncGenerator<PipeRequest> {
    while (!stream.over) {
      const operations = this.#take(stream);
      if (operations.length > 0) {
        stream.sent++;
        yield create(PipeRequestSchema, { operations });
        continue;
      }
      await new Promise<void>((resolve) => {
        stream.wake = resolve;
      });
    }
  }

  /** The calls of the next message, as many as there is room for. */
  #take(stream: Stream): Operation[] {
    const { operationsMax, bytesMax } = this.#limits;
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
