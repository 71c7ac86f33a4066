import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { FrameReader } from "../../src/zookeeper/wire/frame-reader.ts";
import { JuteReader, JuteWriter } from "../../src/zookeeper/wire/jute.ts";

/** A client of the fake, as its script sees it. */
export interface FakeClient {
  /** Waits for its next packet. Errors: when it goes instead. */
  packet(): Promise<JuteReader>;
  /** Waits for its next request that is no ping. */
  request(): Promise<{ readonly xid: number; readonly type: number; readonly body: JuteReader }>;
  /** Waits for its ConnectRequest, and grants it the session that it names, or a new one. */
  welcome(sessionTimeoutMs: number): Promise<ConnectRequest>;
  send(packet: Uint8Array): void;
  /** Answers a request; `body` writes what comes after the header. */
  reply(xid: number, error: number, body?: (writer: JuteWriter) => void): void;
  disconnect(): void;
}

export interface ConnectRequest {
  readonly lastZxid: bigint;
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: string;
}

export interface FakeZooKeeper {
  /** `host:port` for clients. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * A server that does what a script says, for what a real ZooKeeper does not do on demand. The script runs for each
 * connection, which are numbered from 0; what it waits for ends with an error when the client goes.
 */
export async function startFakeZooKeeper(
  script: (client: FakeClient, connection: number) => Promise<void>,
): Promise<FakeZooKeeper> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    script(fakeClient(socket), connections++).catch((error) => {
      if (!(error instanceof ClientGone)) throw error;
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("a TCP server has a port");
  return {
    address: `127.0.0.1:${bound.port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The script waited for a client that has gone: nothing more is asked of it. */
class ClientGone extends Error {}

const NEW_SESSION = 0x1234n;
const PASSWORD = "0123456789abcdef";
const PING = -2;

function fakeClient(socket: Socket): FakeClient {
  const frames = new FrameReader();
  const packets: Buffer[] = [];
  let wake = () => {};
  socket.on("data", (chunk: Buffer) => {
    frames.push(chunk);
    for (let frame = frames.next(); frame !== undefined; frame = frames.next()) packets.push(frame);
    wake();
  });
  socket.on("error", () => {});
  socket.on("close", () => wake());
  const send = (packet: Uint8Array) => void socket.write(packet);
  const packet = async () => {
    for (;;) {
      const next = packets.shift();
      if (next !== undefined) return new JuteReader(next);
      if (socket.destroyed) throw new ClientGone();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return {
    packet,
    async request() {
      for (;;) {
        const body = await packet();
        const [xid, type] = [body.int(), body.int()];
        if (xid !== PING) return { xid, type, body };
      }
    },
    async welcome(sessionTimeoutMs) {
      const reader = await packet();
      reader.int(); // protocol version
      const [lastZxid, timeoutMs, sessionId] = [reader.long(), reader.int(), reader.long()];
      const password = Buffer.from(reader.bytes()).toString();
      const id = sessionId === 0n ? NEW_SESSION : sessionId;
      const granted = new JuteWriter().int(0).int(sessionTimeoutMs).long(id).bytes(Buffer.from(PASSWORD));
      send(granted.bool(false).packet());
      return { lastZxid, timeoutMs, sessionId, password };
    },
    send,
    reply(xid, error, body = () => {}) {
      const writer = new JuteWriter().int(xid).long(77n).int(error);
      body(writer);
      send(writer.packet());
    },
    disconnect: () => socket.destroy(),
  };
}
