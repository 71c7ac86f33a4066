import type { Deadline } from "../deadline.ts";
import { signalOf } from "../deadline.ts";
import type { Attempt, DataClient, Outcome } from "./channel.ts";

/** Large calls in flight to one server. Few, because each needs a copy of its values. */
const singlesMax = 8;

/** Sends each large call in a message of its own, so that others need not wait for it. */
export class Singles {
  readonly #client: DataClient;
  #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(client: DataClient) {
    this.#client = client;
  }

  async send(attempt: Attempt, deadline: Deadline): Promise<Outcome> {
    while (this.#underWay >= singlesMax) {
      await deadline.race(new Promise<void>((resolve) => this.#waiting.push(resolve)));
    }
    this.#underWay++;
    try {
      return await send(this.#client, attempt, deadline);
    } finally {
      this.#underWay--;
      const woken = this.#waiting;
      this.#waiting = [];
      for (const wake of woken) wake();
    }
  }
}

async function send(client: DataClient, attempt: Attempt, deadline: Deadline): Promise<Outcome> {
  if (deadline.ended !== undefined) throw deadline.ended;
  const { call, timeoutMs } = attempt;
  const options = { signal: signalOf(deadline), ...(timeoutMs !== undefined && { timeoutMs }) };
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
