import { Code, ConnectError } from "@connectrpc/connect";
import { createBackoff } from "../common/backoff.ts";
import type { Deadlines } from "../common/deadlines.ts";
import type { DataClient } from "./channel/channel.ts";
import { Deadline, signalOf } from "./deadline.ts";
import { classify, lateBecause } from "./error-classification.ts";
import { KvError } from "./errors.ts";
import type { ServerLink } from "./servers.ts";
import type { StreamCluster } from "./stream-cluster.ts";

/** Pauses between attempts. */
const firstPauseMs = 20;
const longestPauseMs = 2_000;

/** A stream that is silent for longer is restarted. Servers send something every ten seconds. */
const silenceMsMax = 30_000;

/** What a stream needs of the cluster, whoever answers it. */
export type ResumingCluster = Pick<StreamCluster, "clock" | "deadlines" | "view" | "failed">;

export interface ResumedStream<T> {
  /** The server to ask. Waits while there is none. `redirected`: the address from another server's redirect. */
  server(due: Deadline, redirected: string | undefined): ServerLink | Promise<ServerLink>;
  /** Begins the call, at first and after each break: then from where it had got to. */
  open(data: DataClient, options: { signal: AbortSignal }): AsyncIterable<T>;
  /** Whether the server never ends the stream. If it does, every answer that is asked for has a deadline. */
  readonly endless: boolean;
  /** Whether an answer shows that the server has all that the stream is of. Default: each one does. */
  readonly isWhole?: (answer: T) => boolean;
  /** How long the first whole answer may take, over all attempts. */
  readonly firstAnswerMs: number;
  /** How long a later one may take, over all attempts. In an endless stream the time counts from a break. */
  readonly answerMs: number;
  /** Ends the stream for good. */
  readonly lifetime: Deadline;
}

/** A server stream that restarts when it breaks, at the server that then answers for its keys. Errors: KvError. */
export async function* resumed<T>(cluster: ResumingCluster, stream: ResumedStream<T>): AsyncGenerator<T> {
  const { lifetime, endless, isWhole = () => true } = stream;
  const { clock, deadlines } = cluster;
  const stopped = signalOf(lifetime);
  const backoff = createBackoff(clock, firstPauseMs, longestPauseMs);
  let due = new Deadline(deadlines, stream.firstAnswerMs, lifetime);
  let connected = false;
  let redirected: string | undefined;
  let failure: ConnectError | undefined;
  try {
    for (;;) {
      const server = await stream.server(due, redirected);
      const ending = new AbortController();
      const signal = AbortSignal.any([stopped, server.gone, ending.signal]);
      try {
        const answers = stream.open(server.data, { signal })[Symbol.asyncIterator]();
        for (;;) {
          const { done, value } = await nextAnswer(deadlines, answers, due);
          if (done && !endless) return;
          if (done) throw new ConnectError("the server has ended the call", Code.Unavailable);
          redirected = undefined;
          if (!isWhole(value)) {
            // The time that the reader takes for it does not count.
            const leftMs = due.remainingMs() ?? Number.POSITIVE_INFINITY;
            due.release();
            yield value;
            due = new Deadline(deadlines, leftMs, lifetime);
            continue;
          }
          due.release();
          connected = true;
          failure = undefined;
          backoff.reset();
          yield value;
          due = new Deadline(deadlines, endless ? Number.POSITIVE_INFINITY : stream.answerMs, lifetime);
        }
      } catch (reason) {
        if (due.ended !== undefined) throw due.ended;
        failure = ConnectError.from(reason);
      } finally {
        ending.abort();
      }
      if (connected && endless) {
        connected = false;
        due.release();
        due = new Deadline(deadlines, stream.answerMs, lifetime);
      }
      const followed = redirected !== undefined;
      redirected = nextAddress(cluster, server, failure);
      if (redirected === undefined || followed) await backoff.wait(signalOf(due));
    }
  } catch (reason) {
    throw lateBecause(KvError.from(reason), failure);
  } finally {
    due.release();
  }
}

async function nextAnswer<T>(
  deadlines: Deadlines,
  answers: AsyncIterator<T>,
  due: Deadline,
): Promise<IteratorResult<T>> {
  const silence = new Deadline(deadlines, silenceMsMax);
  const leave = due.onEnd((reason) => silence.end(reason));
  try {
    return await silence.race(answers.next());
  } catch (reason) {
    if (due.ended !== undefined || reason !== silence.ended) throw reason;
    throw new ConnectError(`nothing has come for ${silenceMsMax} ms`, Code.Unavailable);
  } finally {
    leave();
    silence.release();
  }
}

/** The address to continue at after a break. Undefined: that of the topology. Throws errors that no server can help. */
function nextAddress(cluster: ResumingCluster, server: ServerLink, error: ConnectError): string | undefined {
  if (!error.isWireError) cluster.failed(server);
  const errorClass = classify(error, cluster.view?.ringVersion);
  if (errorClass.next === "give-up") throw errorClass.error;
  if (errorClass.next !== "redirect" || errorClass.address === server.address) return undefined;
  return errorClass.address;
}
