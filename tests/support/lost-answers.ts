import { type ZooKeeper, ZooKeeperError, type ZooKeeperErrorCode } from "../../src/zookeeper/index.ts";

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

type Read = "sync" | "get" | "exists";

/** Fails so many of these reads of a client with this code. */
export function failReads(client: ZooKeeper, read: Read, count: number, code: ZooKeeperErrorCode): void {
  let left = count;
  const original: (...args: never[]) => Promise<unknown> = client[read].bind(client);
  const failing = async (...args: never[]): Promise<unknown> => {
    if (left-- > 0) throw new ZooKeeperError(code, `${read}: failed in a test`);
    return original(...args);
  };
  Object.defineProperty(client, read, { value: failing });
}
