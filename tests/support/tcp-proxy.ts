import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/**
 * What a proxy does with its connections. `pass`: all goes through. `cut`: every connection is broken. `silent`: new
 * connections are taken and nothing goes through in either direction, as on a black-holed link. `mute`: what the client
 * sends arrives, what the server sends is lost. `hold`: nothing goes through now, and all of it late, as by TCP after a
 * partition; `hold-requests` and `hold-replies`: the same in one direction.
 */
export type ProxyMode = "pass" | "cut" | "silent" | "mute" | "hold" | "hold-requests" | "hold-replies";

/** A TCP proxy in front of one server, for faults between a client and it. */
export interface TcpProxy {
  /** `host:port` to connect to. */
  readonly address: string;
  /** The first bytes (100 at least, once there are as many) that the server sent on the newest connection. */
  readonly greeting: Buffer;
  /** How many clients are connected now. */
  readonly connections: number;
  /** Applies to connections that are open and to new ones; those that were cut stay so. */
  setMode(mode: ProxyMode): void;
  /** Lets so many bytes more from the server through, then breaks all connections, as `cut` does. */
  cutAfter(replyBytes: number): void;
  close(): Promise<void>;
}

/** Starts a proxy in front of the server at `target`, which is `host:port`. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const [host = "", port = ""] = target.split(":");
  const open = new Set<Socket>();
  /** Clients, and the connection to the server of each. */
  const links = new Map<Socket, Socket>();
  let mode: ProxyMode = "pass";
  let replyBytesLeft = Number.POSITIVE_INFINITY;
  let greeting = Buffer.alloc(0);

  const direct = (client: Socket, upstream: Socket) => {
    const holdsRequests = mode === "hold" || mode === "hold-requests";
    const holdsReplies = mode === "hold" || mode === "hold-replies";
    if (holdsRequests) client.pause();
    else client.resume();
    if (holdsReplies) upstream.pause();
    else upstream.resume();
  };
  const isHeld = () => mode === "silent" || mode.startsWith("hold");
  const setMode = (next: ProxyMode) => {
    const wasHeld = mode.startsWith("hold");
    mode = next;
    replyBytesLeft = Number.POSITIVE_INFINITY;
    if (mode === "cut") for (const socket of open) socket.destroy();
    for (const [client, upstream] of links) {
      direct(client, upstream);
      if (!wasHeld || isHeld()) continue;
      // One end has gone meanwhile, which the other may know now.
      if (client.destroyed) upstream.destroy();
      if (upstream.destroyed) client.destroy();
    }
  };
  const track = (socket: Socket, peer: () => Socket | undefined) => {
    // As the programs on both sides do: else small packets wait for acknowledgements (Nagle).
    socket.setNoDelay(true);
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      open.delete(socket);
      if (!isHeld()) peer()?.destroy();
    });
  };
  const server = createServer((client) => {
    if (mode === "cut") return void client.destroy();
    greeting = Buffer.alloc(0);
    const upstream = connect({ host, port: Number(port) });
    links.set(client, upstream);
    const forget = () => {
      if (client.destroyed && upstream.destroyed) links.delete(client);
    };
    client.on("close", forget);
    upstream.on("close", forget);
    track(client, () => upstream);
    track(upstream, () => client);
    client.on("data", (chunk) => {
      if (mode !== "silent") upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      if (greeting.length < 100) greeting = Buffer.concat([greeting, chunk]);
      if (mode === "silent" || mode === "mute") return;
      client.write(chunk.subarray(0, replyBytesLeft));
      replyBytesLeft -= chunk.length;
      // By `end`, what was written before still arrives.
      if (replyBytesLeft <= 0) client.end(() => setMode("cut"));
    });
    direct(client, upstream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("a TCP server has a port");
  return {
    address: `127.0.0.1:${bound.port}`,
    get greeting() {
      return greeting;
    },
    get connections() {
      return [...links.keys()].filter((client) => !client.destroyed).length;
    },
    setMode,
    cutAfter: (replyBytes) => {
      replyBytesLeft = replyBytes;
    },
    async close() {
      setMode("cut");
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
