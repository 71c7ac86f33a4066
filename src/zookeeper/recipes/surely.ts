import { createBackoff } from "../../common/backoff.ts";
import { systemClock } from "../../common/clock.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { connected } from "./connected.ts";
import { isBusy, isPassing } from "./ensure.ts";

/** Pauses before it is tried again while the server, or this client, has too much to do. */
const [FIRST_PAUSE_MS, PAUSE_MS_MAX] = [20, 1000];

/** Repeats a step, over lost connections and overloads, until it succeeds. Errors: any other one of the step. */
export async function surely(client: ZooKeeper, path: string, step: () => Promise<void>): Promise<void> {
  const { signal } = new AbortController();
  const backoff = createBackoff(systemClock, FIRST_PAUSE_MS, PAUSE_MS_MAX);
  for (;;) {
    try {
      // A server that only reads would refuse it.
      await connected(client, path, signal);
      return await step();
    } catch (error) {
      if (isBusy(error)) await backoff.wait();
      else if (!isPassing(error)) throw error;
    }
  }
}
