/**
 * One plaintext port for gRPC (HTTP/2 with prior knowledge), gRPC-Web and Connect (HTTP/1.1 and HTTP/2).
 *
 * The first bytes of a connection decide which of two HTTP servers gets it. Neither of them listens itself. `Bun.serve`
 * is not used, because it sends no trailers, which gRPC needs.
 */

import type { AddressInfo, Socket } from "node:net";
import * as net from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { systemClock } from "../../common/clock.ts";
import { Deadlines } from "../../common/deadlines.ts";
import type { ConnectionLimits } from "./connection.ts";
import { Connections } from "./connections.ts";
import type { AllowedOrigins } from "./cors.ts";
import {
  connectionsLeft,
  countConnection,
  descriptorsMax,
  makeRoomAnywhere,
  shareDescriptors,
} from "./descriptors.ts";
import { createDispatcher } from "./dispatch.ts";
import { defaultHeldBytesMax } from "./held-bytes.ts";
import { createHttpServers } from "./http-servers.ts";
import { sniff } from "./sniff.ts";
import { startListening } from "./start-listening.ts";

export interface ListenOptions extends Partial<ConnectionLimits> {
  /** Address of this machine to listen on. */
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  /** What an error calls the port. Default: the setting serverport, with the port. */
  readonly portLabel?: string;
  /** Registers the services. */
  readonly routes: (router: ConnectRouter) => void;
  /**
   * Limit of a received message, after decompression. A longer one gets RESOURCE_EXHAUSTED. Default 8 MiB: room for the
   * largest value in JSON, where bytes take a third more.
   */
  readonly messageBytesMax?: number;
  /** Origins whose pages may call. Default: any, because everybody who reaches the port may call anyway. */
  readonly allowedOrigins?: AllowedOrigins;
  /**
   * Limit of open connections, if this process may have as many open files. Beyond it, a connection without calls is
   * closed for a new one; if there is none, the new one is closed. Default 10,000.
   */
  readonly connectionsMax?: number;
  /** Time that calls under way have to finish when the listener closes. Default 5,000. */
  readonly drainMs?: number;
  /** Gets lines for operators. Default: `console.error`. */
  readonly log?: (line: string) => void;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /**
   * Accepts no new connection or call, lets calls under way finish for up to `drainMs`, then ends all. The signals of
   * streaming calls are aborted, so that they can end. Clients without calls delay nothing.
   */
  close(): Promise<void>;
}

/** Connections beyond the limit that may exist while connections that were told to go have not gone. */
const leavingMax = 16;

/** Starts to listen. Rejects with a ListenError. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const listener = new PortListener(options);
  const port = await listener.start(options.portLabel ?? `serverport ${options.port}`);
  return { host: options.host, port, close: () => listener.close() };
}

class PortListener {
  readonly #address: Pick<ListenOptions, "host" | "port">;
  readonly #connectionsMax: number;
  readonly #drainMs: number;
  readonly #complain: (line: string) => void;
  readonly #connections: Connections;
  /** Accepts the sockets. */
  readonly #server: net.Server;
  /** Speak HTTP on them. */
  readonly #http: ReturnType<typeof createHttpServers>;
  readonly #closing = new AbortController();
  #leaveDescriptors = () => {};
  #drained: Promise<void> | undefined;

  constructor(options: ListenOptions) {
    const { connectionsMax = 10_000, drainMs = 5_000, log = console.error } = options;
    const { messageBytesMax = 8 * 1_024 * 1_024 } = options;
    this.#address = options;
    this.#connectionsMax = connectionsMax;
    this.#drainMs = drainMs;
    this.#complain = atMostOnceAMinute(log);
    const limits = {
      headTimeoutMs: options.headTimeoutMs ?? 10_000,
      // 1 Mbit/s.
      messageTimeoutMs: options.messageTimeoutMs ?? Math.max(70_000, messageBytesMax / 120),
      idleTimeoutMs: options.idleTimeoutMs ?? 300_000,
      pingIntervalMs: options.pingIntervalMs ?? 15_000,
      heldBytesMax: options.heldBytesMax ?? defaultHeldBytesMax,
    };
    this.#connections = new Connections(limits);
    const dispatch = createDispatcher({
      routes: options.routes,
      messageBytesMax,
      allowedOrigins: options.allowedOrigins ?? "any",
      connections: this.#connections,
      deadlines: new Deadlines(systemClock),
      closing: this.#closing.signal,
    });
    const files = descriptorsMax();
    if (files !== undefined && files.forConnections < connectionsMax) {
      log(`takes ${files.forConnections} connections at once: ${files.max} files may be open (ulimit -n)`);
    }
    this.#server = net.createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      // An HTTP/1.1 client that sends no more may still wait for its answer (RFC 9112, 9.6).
      allowHalfOpen: true,
    });
    this.#http = createHttpServers({
      outer: this.#server,
      connections: this.#connections,
      dispatch,
      idleTimeoutMs: limits.idleTimeoutMs,
    });
    this.#server.on("connection", (socket) => this.#accept(socket));
  }

  /** Returns the port. */
  async start(label: string): Promise<number> {
    try {
      await startListening(this.#server, { host: this.#address.host, port: this.#address.port, label });
    } catch (error) {
      this.#connections.destroy();
      throw error;
    }
    this.#leaveDescriptors = shareDescriptors(() => this.#connections.makeRoom());
    this.#server.on("error", (error) => this.#complain(`cannot accept connections: ${error.message}`));
    return (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  #accept(socket: Socket): void {
    // A broken connection ends its calls by itself; an error without a handler would end the process.
    socket.on("error", () => {});
    if (!this.#makeRoom()) {
      socket.destroy();
      return;
    }
    this.#connections.open(socket);
    socket.once("close", countConnection());
    sniff(socket, (opening) => {
      if (opening === "tls") {
        this.#complain(`refused a TLS connection from ${socket.remoteAddress}: this port is plaintext`);
        socket.destroy();
      } else {
        this.#http[opening](socket);
      }
    });
  }

  /** Makes room for one more connection, if need be by closing one without calls. Returns whether there is room. */
  #makeRoom(): boolean {
    const ownLeft = this.#connectionsMax - this.#connections.size;
    const left = Math.min(ownLeft, connectionsLeft() ?? ownLeft);
    if (left > 0) return true;
    const makeRoom = ownLeft <= 0 ? () => this.#connections.makeRoom() : makeRoomAnywhere;
    const madeRoom = left > -leavingMax && makeRoom();
    const done = madeRoom ? "closed one without calls for another" : "refused a connection";
    const limit = ownLeft <= 0 ? `${this.#connectionsMax} are open, which is the limit` : tooManyFiles();
    this.#complain(`${done}: ${limit}`);
    return madeRoom;
  }

  async #drain(): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#leaveDescriptors();
    this.#closing.abort(new ConnectError("this node is shutting down", Code.Unavailable));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#drainMs);
    });
    await Promise.race([this.#connections.retire(), late]);
    clearTimeout(timer);
    this.#connections.destroy();
    await gone;
  }
}

function tooManyFiles(): string {
  const limit = descriptorsMax();
  return `${limit?.forConnections} are open, which is the limit when ${limit?.max} files may be (ulimit -n)`;
}

/** Passes on one line a minute: log lines that any client can cause must not fill the disk. */
function atMostOnceAMinute(log: (line: string) => void): (line: string) => void {
  let quietUntil = 0;
  return (line) => {
    const now = performance.now();
    if (now < quietUntil) return;
    quietUntil = now + 60_000;
    log(line);
  };
}
