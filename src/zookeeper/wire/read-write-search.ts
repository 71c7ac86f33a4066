import type { ConnectionOptions } from "node:tls";
import { createBackoff } from "../../common/backoff.ts";
import { systemClock } from "../../common/clock.ts";
import { openSocket } from "./connection.ts";
import type { Endpoint, EndpointResolver } from "./endpoints.ts";

/** Pauses between rounds: servers in the minority are asked rarely, as by ZooKeeper's own client. */
const [FIRST_PAUSE_MS, PAUSE_MS_MAX] = [100, 10_000];
/** How long a server may take to answer. */
const ANSWER_MS_MAX = 1000;

/**
 * Looks for a server that has a majority and so writes, until there is one: while a session is attached to one that only
 * reads. Undefined when `signal` is aborted.
 */
export async function findReadWrite(
  resolver: EndpointResolver,
  tls: ConnectionOptions | undefined,
  signal: AbortSignal,
): Promise<Endpoint | undefined> {
  const backoff = createBackoff(systemClock, FIRST_PAUSE_MS, PAUSE_MS_MAX);
  while (!signal.aborted) {
    await backoff.wait(signal);
    const { endpoints } = await resolver.resolve(ANSWER_MS_MAX);
    for (const server of endpoints) {
      if (!signal.aborted && (await isReadWrite(server, tls))) return server;
    }
  }
  return undefined;
}

/** Asks a server by the four-letter word `isro`, which every server with a read-only mode answers. */
function isReadWrite(server: Endpoint, tls: ConnectionOptions | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = openSocket(server, tls);
    const timer = setTimeout(() => socket.destroy(), ANSWER_MS_MAX);
    socket.on(tls ? "secureConnect" : "connect", () => socket.write("isro"));
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
      if (answer.length >= 2) socket.destroy();
    });
    // It does not answer, which is all there is to know.
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(answer.startsWith("rw"));
    });
  });
}
