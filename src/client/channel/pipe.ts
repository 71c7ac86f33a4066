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

/** A pipe that carries nothing between two looks is ended. The next call opens another. */
const idleMs = 30_000;

/** Calls in one message. */
const messageCallsMax = 1_000;

/** One stream. It is not used again once it has ended. */
interface Stream {
  readonly underWay: Map<number, Pending>;
  readonly ending: AbortController;
  bytes: number;
  /** Messages that were sent. */
  sent: number;
  /** Lets the sending side look again. */
  wake: () => void;
  /** Set when nothing is to be sent any more. */
  over: boolean;
}

/**
 * Calls over one bidirectional stream, opened when there are calls and again when it broke. A call is sent at once;
 * those that come while a message is being handed to the transport share the next one.
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

  /** Ends the stream once nothing is under way, and nothing was sent for a while. Returns how to stop looking. */
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

  /** Takes the answers of a stream until it ends. */
  async #run(stream: Stream): Promise<void> {
    let error: ConnectError;
    const { signal } = stream.ending;
    try {
      for await (const { answers } of this.#client.pipe(this.#messages(stream), { signal })) {
        settleAll(answers, (id) => release(stream, id));
        // There may be room now.
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
    // Those that wait would fare no better on another stream now.
    if (broke) failAll(this.#queue, notSent(error.rawMessage, error));
  }

  /** What is sent over a stream. */
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

  /** The next message, of what there is room for. */
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
