import { mkdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { freePorts } from "../../support/free-ports.ts";
import { until } from "../../support/until.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import type { Peer } from "./peer.ts";
import { Server } from "./server.ts";

export interface Redis extends Peer {
  readonly port: number;
  /** What the primary says of itself (INFO). */
  info(): Promise<string>;
}

/** A primary and one replica, which both sync every write; the primary answers without waiting for the replica. */
export async function startRedis(): Promise<Redis> {
  const folder = await temporaryFolder("redis");
  const [port = 0, replicaPort = 0] = await freePorts(2);
  const primary = await redisServer(folder, "primary", port);
  const replica = await redisServer(folder, "replica", replicaPort, ["--replicaof", `127.0.0.1 ${port}`]);
  const close = async () => {
    await Promise.all([primary.kill(), replica.kill()]);
    await rm(folder, { recursive: true, force: true });
  };
  const whole = async () => {
    await until("the replica of Redis follows", 60_000, async () => {
      return /^slave0:.*state=online/m.test(await askRedis(port, "INFO replication").catch(() => ""));
    });
  };
  try {
    await whole();
  } catch (error) {
    await close();
    throw error;
  }
  const info = () => askRedis(port, "INFO everything");
  return {
    name: "redis",
    version: /^redis_version:(\S+)/m.exec(await info())?.[1] ?? "unknown",
    port,
    members: async () => [
      { role: "primary", pid: primary.pid, address: `127.0.0.1:${port}` },
      { role: "replica", pid: replica.pid, address: `127.0.0.1:${replicaPort}` },
    ],
    info,
    whole,
    close,
  };
}

/** One server with an append-only file that is plain commands, synced at every write, and no snapshots. */
export async function redisServer(
  folder: string,
  name: string,
  port: number,
  flags: readonly string[] = [],
): Promise<Server> {
  const files = join(folder, name);
  await mkdir(files, { recursive: true });
  const args = [
    ["--bind", "127.0.0.1", "--port", `${port}`, "--dir", files, "--save", "", "--loglevel", "notice"],
    ["--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "no"],
    flags,
  ].flat();
  const server = new Server({ name: `redis ${name}`, command: "redis-server", args });
  server.launch();
  await server.says("Ready to accept connections");
  return server;
}

/** Makes one call of Redis whose answer is a text or a number, by the inline protocol. */
function askRedis(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port });
    let answer = "";
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`${command}\r\nQUIT\r\n`));
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("error", reject);
    socket.on("close", () => {
      if (answer.startsWith("-")) reject(new Error(`Redis has answered ${command} with ${answer.trim()}`));
      else resolve(answer);
    });
  });
}
