import type { Deadline } from "../deadline.ts";
import { signalOf } from "../deadline.ts";
import type { Attempt, DataClient, Outcome } from "./channel.ts";

/** Large calls to one server at a time: each takes a copy of its values. */
const singlesMax = 8;

/** Sends calls by themselves: those that are so large that others would have to wait for them. */
export type SendSingle = (attempt: Attempt, deadline: Deadline) => Promise<Outcome>;

export function createSingles(client: DataClient): SendSingle {
  let waiting: (() => void)[] = [];
  let underWay = 0;
  return async (attempt, deadline) => {
    while (underWay >= singlesMax) {
      await deadline.race(new Promise<void>((resolve) => waiting.push(resolve)));
    }
    underWay++;
    try {
      return await send(client, attempt, deadline);
    } finally {
      underWay--;
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    }
  };
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
