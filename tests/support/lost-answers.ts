import { type ZooKeeper, ZooKeeperError } from "../../src/zookeeper/index.ts";

type Write = "multi" | "create" | "set" | "delete";

/**
 * Loses the answers to these writes of a client, or the requests themselves, as at a connection that breaks: the first
 * of each two calls fails so. Returns how many were lost.
 */
export function loseAnswers(client: ZooKeeper, write: Write, what: "answers" | "requests"): () => number {
  let calls = 0;
  let lost = 0;
  const original: (...args: never[]) => Promise<unknown> = client[write].bind(client);
  const losing = async (...args: never[]): Promise<unknown> => {
    if (calls++ % 2 === 1) return original(...args);
    if (what === "answers") await original(...args);
    lost++;
    throw new ZooKeeperError("CONNECTION_LOSS", `${write}: lost in a test`, { maybeApplied: true });
  };
  Object.defineProperty(client, write, { value: losing });
  return () => lost;
}
