import type { KvClient } from "../../src/client/index.ts";
import { ask } from "../chaos/client.ts";
import type { KeyOperation } from "../checker/key-value-model.ts";
import type { RedirectedCalls } from "../support/redirected-calls.ts";

/** Makes a call. Returns it with its answer. */
export type Caller = (asked: KeyOperation) => Promise<KeyOperation>;

/** Calls with the deadline and the retries that the client has by default. */
export function callerOver(kv: KvClient): Caller {
  return async (asked) => {
    const { key } = asked;
    switch (asked.kind) {
      case "get": {
        const entry = await kv.get(key);
        if (entry === undefined) return { ...asked, result: "not-found" };
        return { ...asked, result: { value: entry.text(), revision: entry.revision } };
      }
      case "put":
        return { ...asked, result: await kv.put(key, asked.value) };
      case "delete":
        return { ...asked, result: (await kv.delete(key)) ?? "not-found" };
    }
  };
}

const timeoutMs = 10_000;

/** A program without the client library. */
export function redirectedCaller(calls: RedirectedCalls): Caller {
  return (asked) => calls.call(asked.key, (client) => ask(client, asked, timeoutMs));
}
