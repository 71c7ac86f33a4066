import * as http1 from "node:http";
import * as http2 from "node:http2";
import type { Server, Socket } from "node:net";
import { callsMax } from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { Dispatcher } from "./dispatch.ts";

/** MB that Node lets one HTTP/2 session hold. The default of 10 ends the session when 20 values of 2 MB come at once. */
const sessionMemoryMb = 1_024;

export interface HttpServersOptions {
  /** The server that accepts the sockets. */
  readonly outer: Server;
  readonly connections: Connections;
  readonly dispatch: Dispatcher;
  readonly idleTimeoutMs: number;
}

/** Servers that speak HTTP on sockets that another server has accepted. */
export function createHttpServers({
  outer,
  connections,
  dispatch,
  idleTimeoutMs,
}: HttpServersOptions): Record<"http1" | "http2", (socket: Socket) => void> {
  const first = http1.createServer(
    { keepAliveTimeout: idleTimeoutMs, requireHostHeader: false },
    dispatch.general,
  );
  first.on("clientError", (error, socket) => {
    if (socket.writable) socket.end(answerToNoRequest(error));
    else socket.destroy();
  });
  Object.assign(first, { httpAllowHalfOpen: true });
  // Deno closes every connection of a server that does not listen after its first response.
  Object.defineProperty(first, "listening", { get: () => outer.listening });

  const second = http2.createServer({
    maxSessionMemory: sessionMemoryMb,
    settings: { maxConcurrentStreams: callsMax },
  });
  // Has no connections: makes requests and responses of streams.
  const general = http2.createServer(dispatch.general);
  second.on("stream", (stream, headers, ...rest) => {
    if (dispatch.fast(stream, headers)) return;
    stream.on("error", () => {});
    general.emit("stream", stream, headers, ...rest);
  });
  return {
    http1: (socket) => first.emit("connection", socket),
    http2: (socket) => {
      socket.allowHalfOpen = false;
      second.once("session", (session) => {
        session.on("error", () => {});
        connections.attach(session, socket);
      });
      second.emit("connection", socket);
    },
  };
}

/** The answer to bytes that are not an HTTP/1.1 request, or are too long for one. */
function answerToNoRequest({ code = "", message }: NodeJS.ErrnoException): string {
  const status =
    code === "HPE_HEADER_OVERFLOW"
      ? "431 Request Header Fields Too Large"
      : code === "HPE_INVALID_VERSION"
        ? "505 HTTP Version Not Supported"
        : "400 Bad Request";
  const body = JSON.stringify({ code: "invalid_argument", message: `no HTTP/1.1: ${message}` });
  const fields = [
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  return [`HTTP/1.1 ${status}`, ...fields, "", body].join("\r\n");
}
