import type { Deadline } from "../deadline.ts";
import { signalOf } from "../deadline.ts";
import type { Attempt, DataClient, Outcome } from "./channel.ts";

/** Sends a call by itself: one that is so large that others would have to wait for it. */
export async function sendSingle(client: DataClient, attempt: Attempt, deadline: Deadline): Promise<Outcome> {
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
