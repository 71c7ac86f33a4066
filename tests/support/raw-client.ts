import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A TCP client that sends what it is told, byte for byte. */
export interface RawClient {
  readonly socket: Socket;
  send(data: string | Uint8Array): void;
  /** All that came so far, one character a byte. */
  received(): string;
  /** Resolves once what came so far matches. */
  receives(pattern: RegExp): Promise<void>;
  /** Resolves with all that came once the other side has hung up. */
  readonly closed: Promise<string>;
}

export async function dial(port: number): Promise<RawClient> {
  const socket = connect({ port, host: "127.0.0.1" });
  let received = "";
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
  });
  await once(socket, "connect");
  // A reset is one way to hang up, and so is a write that comes after it. `once` would reject for either.
  socket.on("error", () => {});
  const closed = new Promise<string>((resolve) => {
    socket.once("close", () => resolve(received));
  });
  return {
    socket,
    send: (data) => void socket.write(data),
    received: () => received,
    async receives(pattern) {
      while (!pattern.test(received)) {
        const came = new Promise<void>((resolve) => void socket.once("data", () => resolve()));
        await Promise.race([came, closed]);
        if (socket.closed && !pattern.test(received)) {
          throw new Error(`closed before ${pattern} came; came: ${JSON.stringify(received)}`);
        }
      }
    },
    closed,
  };
}

/** What an HTTP/2 client begins with: the preface and an empty SETTINGS frame (RFC 9113, 3.4). */
export const http2Hello = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frame(0x4, 0, 0, new Uint8Array()),
]);

/** One HTTP/2 frame (RFC 9113, 4.1). */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A HEADERS frame with each field as a literal without indexing (RFC 7541, 6.2.2), and no body after it if `last`. */
export function headersFrame(stream: number, headers: Record<string, string>, last: boolean): Buffer {
  const fields = Object.entries(headers).map(([name, value]) =>
    Buffer.concat([
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]),
  );
  return frame(0x1, last ? 0x5 : 0x4, stream, Buffer.concat(fields));
}

/** Headers of a unary call in the Connect protocol. */
export function callHeaders(path: string, type = "application/proto"): Record<string, string> {
  return { ":method": "POST", ":scheme": "http", ":path": path, ":authority": "test", "content-type": type };
}

/** Flag of the last frame of a stream's side (RFC 9113, 6.1). */
export const endStream = 0x1;

const frameTypes = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
];

/** The frames in what an HTTP/2 server sent. */
export function framesIn(received: string): { type: string | undefined; flags: number; stream: number }[] {
  const bytes = Buffer.from(received, "latin1");
  const frames = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    const type = frameTypes[bytes.readUInt8(at + 3)];
    frames.push({ type, flags: bytes.readUInt8(at + 4), stream: bytes.readUInt32BE(at + 5) });
  }
  return frames;
}
