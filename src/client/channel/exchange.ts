import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ExchangeRequestSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import type { Deadline } from "../deadline.ts";
import {
  type Attempt,
  type Channel,
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
import type { Singles } from "./singles.ts";

/**
 * Exchanges in flight. More than one, because each is as slow as its slowest call. Only a few, because over HTTP/1.1 a
 * browser has six connections to an address for everything on a page.
 */
const exchangesMax = 3;

/** Calls in one message. Few, because all wait for the slowest. */
const messageCallsMax = 100;

/** Sends calls in unary messages, where streams cannot be sent. Calls that cannot be sent yet share the next message. */
export class Exchange implements Channel {
  readonly #client: DataClient;
  readonly #singles: Singles;
  readonly #queue = new Set<Pending>();
  readonly #underWay = new Set<AbortController>();
  #isScheduled = false;

  constructor(client: DataClient, singles: Singles) {
    this.#client = client;
    this.#singles = singles;
  }

  send(attempt: Attempt, deadline: Deadline): Promise<Outcome> {
    if (isLarge(attempt.call)) return this.#singles.send(attempt, deadline);
    const outcome = enqueue(this.#queue, attempt, deadline);
    // Calls of the same turn share a message.
    if (!this.#isScheduled) queueMicrotask(() => this.#flow());
    this.#isScheduled = true;
    return outcome;
  }

  close(reason: ConnectError): void {
    this.#singles.close(reason);
    for (const ending of this.#underWay) ending.abort(reason);
    failAll(this.#queue, notSent(reason.rawMessage, reason));
  }

  #flow(): void {
    this.#isScheduled = false;
    while (this.#queue.size > 0 && this.#underWay.size < exchangesMax) void this.#exchange();
  }

  async #exchange(): Promise<void> {
    const ending = new AbortController();
    const calls = new Map<number, Pending>();
    this.#underWay.add(ending);
    const operations = takeMessage(this.#queue, messageCallsMax, (pending) => {
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
      const { answers } = await this.#client.exchange(request, { signal: ending.signal });
      settleAll(answers, (id) => {
        const pending = calls.get(id);
        calls.delete(id);
        return pending;
      });
      failAll(calls, new ConnectError("the server has left out an answer", Code.Internal));
    } catch (reason) {
      const error = ConnectError.from(ending.signal.aborted ? ending.signal.reason : reason);
      if (error.code === Code.ResourceExhausted && calls.size > 1) this.#sendApart(calls);
      else failAll(calls, error);
    } finally {
      this.#underWay.delete(ending);
      this.#flow();
    }
  }

  /** Sends calls one by one, because their answers do not fit into one message. */
  #sendApart(calls: Map<number, Pending>): void {
    for (const pending of calls.values()) {
      pending.drop = undefined;
      this.#singles.send(pending.attempt, pending.deadline).then(
        (outcome) => pending.settle(outcome),
        (error) => pending.fail(error),
      );
    }
  }
}
