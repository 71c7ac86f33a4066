import type { ConnectError } from "@connectrpc/connect";
import type { Deadline } from "../deadline.ts";
import { type Attempt, type DataClient, notSent, type Outcome } from "./channel.ts";

/** Large calls in flight to one server. Few, because each needs a copy of its values. */
const singlesMax = 8;

/** Sends each large call in a message of its own, so that others need not wait for it. */
export class Singles {
  readonly #client: DataClient;
  readonly #underWay = new Set<AbortController>();
  #waiting: (() => void)[] = [];
  #closed: ConnectError | undefined;

  constructor(client: DataClient) {
    this.#client = client;
  }

  async send(attempt: Attempt, deadline: Deadline): Promise<Outcome> {
    while (this.#underWay.size >= singlesMax) {
      await deadline.race(new Promise<void>((resolve) => this.#waiting.push(resolve)));
    }
    if (this.#closed !== undefined) throw notSent(this.#closed.rawMessage, this.#closed);
    if (deadline.ended !== undefined) throw deadline.ended;
    const ending = new AbortController();
    const leave = deadline.onEnd((reason) => ending.abort(reason));
    this.#underWay.add(ending);
    try {
      return await send(this.#client, attempt, ending.signal);
    } finally {
      leave();
      this.#underWay.delete(ending);
      const woken = this.#waiting;
      this.#waiting = [];
      for (const wake of woken) wake();
    }
  }

  /** Fails all calls, and those that come later. */
  close(reason: ConnectError): void {
    this.#closed = reason;
    for (const ending of this.#underWay) ending.abort(reason);
  }
}

async function send(client: DataClient, attempt: Attempt, signal: AbortSignal): Promise<Outcome> {
  const { call, timeoutMs } = attempt;
  const options = { signal, ...(timeoutMs !== undefined && { timeoutMs }) };
  attempt.sent = true;
  switch (call.case) {
    case "get":
      return { case: "get", value: await client.get(call.value, options) };
    case "put":
      return { case: "put", value: await client.put(call.value, options) };
    case "delete":
      return { case: "delete", value: await client.delete(call.value, options) };
    case "batch":
      return { case: "batch", value: await client.batch(call.value, options) };
  }
}
