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
      const server = createServer();
      server.listen(port, "127.0.0.1");
      const free = await Promise.race([
        once(server, "listening").then(() => true),
        once(server, "error").then(() => false),
      ]).catch(() => false);
      if (!free) continue;
      held.push(server);
      ports.push(port);
    }
    return ports;
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}
