import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Ports of 127.0.0.1 that are free now, for servers that cannot choose their own. They lie below the range that Linux
 * takes the near end of connections from (32768 and up), so that a server that is down for a while finds its port free
 * when it comes back, and nobody's connection to it can meet itself.
 */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = [];
  const ports: number[] = [];
  try {
    while (ports.length < count) {
      const port = 10_000 + Math.floor(Math.random() * 20_000);
      const server = await hold(port);
      if (server === undefined) continue;
      held.push(server);
      ports.push(port);
    }
    return ports;
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/** The first of so many ports of that kind that follow one another. */
export async function freeRange(count: number): Promise<number> {
  for (;;) {
    const first = 10_000 + Math.floor(Math.random() * 20_000);
    const held = await Promise.all(Array.from({ length: count }, (_, index) => hold(first + index)));
    await Promise.all(held.map((server) => new Promise((resolve) => server?.close(resolve) ?? resolve(0))));
    if (held.every((server) => server !== undefined)) return first;
  }
}

/** Listens on a port; undefined when it is not free. */
async function hold(port: number): Promise<Server | undefined> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  const free = await Promise.race([
    once(server, "listening").then(() => true),
    once(server, "error").then(() => false),
  ]).catch(() => false);
  return free ? server : undefined;
}
