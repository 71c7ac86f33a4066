import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ExchangeRequestSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import type { Channel, DataClient, Pending } from "./channel.ts";
import { enqueue, failAll, isLarge, notSent, settleAll, takeMessage } from "./channel.ts";
import { createSingles } from "./single.ts";

/**
 * Exchanges under way at a time. More than one, since each is as slow as the slowest of its calls; and few, since over
 * HTTP/1.1 a browser has six connections to one address for all that a page does.
 */
const exchangesMax = 3;

/** Calls in one message: few, since all wait for the slowest. */
const messageCallsMax = 100;

/** Calls in unary messages, for where streams cannot be sent. Those that come while no more can be sent gather. */
export function openExchange(client: DataClient): Channel {
  const queue = new Set<Pending>();
  const sendSingle = createSingles(client);
  const underWay = new Set<AbortController>();
  let scheduled = false;

  function flow(): void {
    scheduled = false;
    while (queue.size > 0 && underWay.size < exchangesMax) void exchange();
  }

  async function exchange(): Promise<void> {
    const ending = new AbortController();
    const calls = new Map<number, Pending>();
    underWay.add(ending);
    const operations = takeMessage(queue, messageCallsMax, (pending) => {
      const id = calls.size + 1;
      calls.set(id, pending);
      pending.drop = () => {
        calls.delete(id);
        if (calls.size === 0) ending.abort();
      };
      return id;
    });
    try {
      const request = create(ExchangeRequestSchema, { operations });
      const { answers } = await client.exchange(request, { signal: ending.signal });
      settleAll(answers, (id) => {
        const pending = calls.get(id);
        calls.delete(id);
        return pending;
      });
      failAll(calls, new ConnectError("the server has left out an answer", Code.Internal));
    } catch (reason) {
      const error = ConnectError.from(ending.signal.aborted ? ending.signal.reason : reason);
      if (error.code === Code.ResourceExhausted && calls.size > 1) sendApart(calls);
      else failAll(calls, error);
    } finally {
      underWay.delete(ending);
      flow();
    }
  }

  /** For calls whose answers do not fit into one message. */
  function sendApart(calls: Map<number, Pending>): void {
    for (const pending of calls.values()) {
      pending.drop = undefined;
      sendSingle(pending.attempt, pending.deadline).then(pending.settle, pending.fail);
    }
  }

  return {
    send(attempt, deadline) {
      if (isLarge(attempt.call)) return sendSingle(attempt, deadline);
      const outcome = enqueue(queue, attempt, deadline);
      // Calls of the same turn go together.
      if (!scheduled) queueMicrotask(flow);
      scheduled = true;
      return outcome;
    },
    close(reason) {
      for (const ending of underWay) ending.abort(reason);
      failAll(queue, notSent(reason.rawMessage, reason));
    },
  };
}
