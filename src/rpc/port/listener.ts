/**
 * One plaintext port for gRPC (HTTP/2 with prior knowledge), gRPC-Web and Connect (HTTP/1.1 and HTTP/2).
 *
 * The first bytes of a connection tell which of two servers gets it. Neither listens itself. `Bun.serve` is not used:
 * it sends no trailers, without which there is no gRPC.
 */

import * as http1 from "node:http";
import * as http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import * as net from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ConnectionLimits, Connections } from "./connections.ts";
import { callsMax, trackConnections } from "./connections.ts";
import type { AllowedOrigins } from "./cors.ts";
import {
  connectionsLeft,
  countConnection,
  descriptorsMax,
  makeRoomAnywhere,
  shareDescriptors,
} from "./descriptors.ts";
import { createDispatcher } from "./dispatch.ts";
import { sniff } from "./sniff.ts";

export interface ListenOptions extends Partial<ConnectionLimits> {
  /** Address to listen on, of this machine. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** What an error calls the port. Default: the setting serverport, with the port. */
  readonly portLabel?: string;
  /** Registers the services. */
  readonly routes: (router: ConnectRouter) => void;
  /**
   * Limit of one message that is read, after decompression; more is RESOURCE_EXHAUSTED. Default 8 MiB: room for the
   * largest value in JSON, where bytes take a third more.
   */
  readonly messageBytesMax?: number;
  /** Pages of which origins may call. Default: any, since whoever reaches the port may call anyway. */
  readonly allowedOrigins?: AllowedOrigins;
  /**
   * Connections open at once, if this process may have as many files open. For one more, one without calls is closed; if
   * there is none, it is closed itself. Default 10,000.
   */
  readonly connectionsMax?: number;
  /** Calls under way have this time to finish when the listener closes. Default 5,000. */
  readonly drainMs?: number;
  /** For what an operator should know, one line each. Default: `console.error`. */
  readonly log?: (line: string) => void;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /**
   * Takes no new connection and no new call, lets calls under way finish for `drainMs` at most, then ends all.
   * Streaming calls have their signal aborted, so that they can end. Clients without calls delay nothing.
   */
  close(): Promise<void>;
}

/** The address cannot be listened on. The message names the setting, its value and what is allowed. */
export class ListenError extends Error {
  override name = "ListenError";
}

/** MB that Node lets one HTTP/2 session hold. With the default, 10, 20 values of 2 MB at once end the session. */
const sessionMemoryMb = 1_024;

/** Connections beyond the limit that are there while others that were told to go have not gone. */
const leavingMax = 16;

/** Starts to listen. Rejects with a ListenError. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { host, connectionsMax = 10_000, drainMs = 5_000, log = console.error } = options;
  const { messageBytesMax = 8 * 1_024 * 1_024 } = options;
  const closing = new AbortController();
  const limits = {
    headTimeoutMs: options.headTimeoutMs ?? 10_000,
    // 1 Mbit/s.
    messageTimeoutMs: options.messageTimeoutMs ?? Math.max(70_000, messageBytesMax / 120),
    idleTimeoutMs: options.idleTimeoutMs ?? 300_000,
    pingIntervalMs: options.pingIntervalMs ?? 15_000,
  };
  const connections = trackConnections(limits);
  const dispatch = createDispatcher({
    routes: options.routes,
    messageBytesMax,
    allowedOrigins: options.allowedOrigins ?? "any",
    connections,
    closing: closing.signal,
  });
  const complain = atMostOnceAMinute(log);
  const files = descriptorsMax();
  if (files !== undefined && files.forConnections < connectionsMax) {
    log(`takes ${files.forConnections} connections at once: ${files.max} files may be open (ulimit -n)`);
  }

  const server = net.createServer({
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    // A client of HTTP/1.1 that sends no more may still wait for its answer (RFC 9112, 9.6).
    allowHalfOpen: true,
  });
  const inner = createInnerServers(server, connections, dispatch, limits.idleTimeoutMs);
  server.on("connection", (socket) => {
    // A broken connection ends its calls by itself; without a listener it would end the process.
    socket.on("error", () => {});
    const ownLeft = connectionsMax - connections.size;
    const left = Math.min(ownLeft, connectionsLeft() ?? ownLeft);
    if (left <= 0) {
      const makeRoom = ownLeft <= 0 ? connections.makeRoom : makeRoomAnywhere;
      const madeRoom = left > -leavingMax && makeRoom();
      const done = madeRoom ? "closed one without calls for another" : "refused a connection";
      const limit = ownLeft <= 0 ? `${connectionsMax} are open, which is the limit` : tooManyFiles();
      complain(`${done}: ${limit}`);
      if (!madeRoom) {
        socket.destroy();
        return;
      }
    }
    connections.open(socket);
    socket.once("close", countConnection());
    sniff(socket, (opening) => {
      if (opening === "tls") {
        complain(`refused a TLS connection from ${socket.remoteAddress}: this port is plaintext`);
        socket.destroy();
      } else {
        inner[opening](socket);
      }
    });
  });

  try {
    await startListening(server, host, options.port, options.portLabel ?? `serverport ${options.port}`);
  } catch (error) {
    connections.destroy();
    throw error;
  }
  const leaveDescriptors = shareDescriptors(connections.makeRoom);
  server.on("error", (error) => complain(`cannot accept connections: ${error.message}`));

  async function drain(): Promise<void> {
    const gone = new Promise<void>((resolve) => server.close(() => resolve()));
    leaveDescriptors();
    closing.abort(new ConnectError("this node is shutting down", Code.Unavailable));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, drainMs);
    });
    await Promise.race([connections.retire(), late]);
    clearTimeout(timer);
    connections.destroy();
    await gone;
  }
  let drained: Promise<void> | undefined;
  return {
    host,
    port: (server.address() as AddressInfo).port,
    close: () => {
      drained ??= drain();
      return drained;
    },
  };
}

function tooManyFiles(): string {
  const limit = descriptorsMax();
  return `${limit?.forConnections} are open, which is the limit when ${limit?.max} files may be (ulimit -n)`;
}

/** The servers that speak HTTP on sockets that are handed to them. */
function createInnerServers(
  outer: net.Server,
  connections: Connections,
  dispatch: ReturnType<typeof createDispatcher>,
  idleTimeoutMs: number,
): Record<"http1" | "http2", (socket: Socket) => void> {
  const first = http1.createServer({ keepAliveTimeout: idleTimeoutMs, requireHostHeader: false }, dispatch);
  first.on("clientError", (error, socket) => {
    if (socket.writable) socket.end(answerToNoRequest(error));
    else socket.destroy();
  });
  Object.assign(first, { httpAllowHalfOpen: true });
  // Deno closes every connection of a server that does not listen after its first response.
  Object.defineProperty(first, "listening", { get: () => outer.listening });

  const second = http2.createServer(
    { maxSessionMemory: sessionMemoryMb, settings: { maxConcurrentStreams: callsMax } },
    dispatch,
  );
  second.on("stream", (stream) => stream.on("error", () => {}));
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

/** What was sent is no request of HTTP/1.1, or none that fits. */
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

function startListening(server: net.Server, host: string, port: number, label: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw new ListenError(`${label}: no port; allowed is 1 to 65535, or 0 for any that is free`);
    }
    server.once("error", (error) => reject(listenError(error, host, label)));
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}

function listenError(error: NodeJS.ErrnoException, host: string, label: string): ListenError {
  const cause = { cause: error };
  switch (error.code) {
    case "EADDRINUSE":
      return new ListenError(`${label}: taken on ${host}; allowed is any free port, 1 to 65535`, cause);
    case "EACCES":
      return new ListenError(`${label}: not permitted to this user; allowed are 1024 to 65535`, cause);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EINVAL":
      return new ListenError(
        `serverip ${host}: no address of this machine; allowed is one of its own, or 0.0.0.0 or :: for all`,
        cause,
      );
    default:
      return new ListenError(`serverip ${host}, ${label}: cannot listen: ${error.message}`, cause);
  }
}

/** Passes on one line a minute: what a stranger can cause at will must not fill the disk. */
function atMostOnceAMinute(log: (line: string) => void): (line: string) => void {
  let quietUntil = 0;
  return (line) => {
    const now = performance.now();
    if (now < quietUntil) return;
    quietUntil = now + 60_000;
    log(line);
  };
}
