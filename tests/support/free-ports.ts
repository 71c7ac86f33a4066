import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Ports come in blocks. A process has those to itself whose first port it listens on, for as long as it lives: a server
 * that is down for a while finds its port free when it comes back, whatever other tests run beside.
 */
const blockSize = 100;
/**
 * Below the range that Linux takes the near end of connections from (32768 and up), so that no connection takes such a
 * port, and nobody's connection to a server that is down can meet itself.
 */
const firstBlock = 10_000;
const blockCount = 200;

/** Ports of the blocks of this process that were not given away yet, in order. */
let ungiven: number[] = [];

/** Ports of 127.0.0.1 that are free now, for servers that cannot choose their own. Each is given away once. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = ungiven.shift();
    if (port === undefined) ungiven = await takeBlock();
    else if (await isFree(port)) ports.push(port);
  }
  return ports;
}

/** The first of so many ports of that kind that follow one another. */
export async function freeRange(count: number): Promise<number> {
  if (count >= blockSize) throw new Error(`a block has no ${count} ports`);
  for (;;) {
    if (ungiven.length < count) ungiven = await takeBlock();
    const ports = await freePorts(count);
    const [first = 0] = ports;
    if (ports.every((port, index) => port === first + index)) return first;
  }
}

async function takeBlock(): Promise<number[]> {
  for (;;) {
    const first = firstBlock + blockSize * Math.floor(Math.random() * blockCount);
    const owner = await listenOn(first);
    if (owner === undefined) continue;
    owner.unref();
    return Array.from({ length: blockSize - 1 }, (_, index) => first + 1 + index);
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = await listenOn(port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** Undefined when the port is taken. */
async function listenOn(port: number): Promise<Server | undefined> {
  const server = createServer();
  const listening = once(server, "listening");
  server.listen(port, "127.0.0.1");
  return listening.then(
    () => server,
    () => undefined,
  );
}
