import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import * as http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { freePorts } from "../support/free-ports.ts";
import { until } from "../support/until.ts";
import type { Contestant } from "./contestant.ts";

/** Whether etcd is there, from the Debian package `etcd-server`. */
export function hasEtcd(): boolean {
  return spawnSync("etcd", ["--version"], { stdio: "ignore" }).status === 0;
}

/** Three etcd servers on 127.0.0.1 with default settings. */
export async function startEtcd(): Promise<Contestant> {
  const folder = await mkdtemp(join(tmpdir(), "etcd-bench-"));
  const ports = await freePorts(6);
  const members = [0, 1, 2].map((index) => makeMember(folder, ports, index));
  let next = 0;
  const whole = () =>
    until("all three members follow one leader", 60_000, async () => {
      const leaders = await Promise.all(members.map(async (member) => (await member.status())?.leader));
      return leaders[0] !== undefined && leaders[0] !== "0" && new Set(leaders).size === 1;
    });

  for (const member of members) member.launch();
  await whole();
  return {
    name: "etcd",
    // As over a router, calls go to members that are up.
    async put(key, value, timeoutMs) {
      const up = members.filter(({ isRunning }) => isRunning());
      await up[next++ % up.length]?.put(key, value, timeoutMs);
    },
    async killLeader() {
      for (const member of members) {
        const status = await member.status();
        if (status === undefined || status.leader !== status.self) continue;
        const killedMs = performance.now();
        await member.kill();
        return killedMs;
      }
      throw new Error("no etcd member leads");
    },
    async restore() {
      for (const member of members) if (!member.isRunning()) member.launch();
      await whole();
    },
    async close() {
      await Promise.all(members.map((member) => member.kill()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function makeMember(folder: string, ports: readonly number[], index: number) {
  const url = (at: number) => `http://127.0.0.1:${ports[at]}`;
  const [client, peer] = [url(index), url(3 + index)];
  const args = [
    ["--name", `e${index}`, "--data-dir", join(folder, `e${index}`)],
    ["--listen-client-urls", client, "--advertise-client-urls", client],
    ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
    ["--initial-cluster", [0, 1, 2].map((other) => `e${other}=${url(3 + other)}`).join(",")],
    ["--log-level", "fatal"],
  ].flat();
  let child: ChildProcess | undefined;
  let session: http2.ClientHttp2Session | undefined;
  const connected = () => {
    if (session === undefined || session.closed || session.destroyed) {
      session = http2.connect(client);
      session.on("error", () => {});
    }
    return session;
  };
  process.on("exit", () => child?.kill("SIGKILL"));

  return {
    isRunning: () => child !== undefined && child.exitCode === null && child.signalCode === null,
    launch() {
      child = spawn("etcd", args, { stdio: "ignore" });
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
      session?.destroy();
    },
    put: (key: string, value: string, timeoutMs: number) => putOver(connected(), key, value, timeoutMs),
    /** Numbers of this member and of whom it follows; undefined when it does not answer. */
    async status(): Promise<{ self: string; leader: string } | undefined> {
      try {
        const body = { method: "POST", body: "{}", signal: AbortSignal.timeout(1000) };
        const answer = await (await fetch(`${client}/v3/maintenance/status`, body)).json();
        return { self: String(answer.header.member_id), leader: String(answer.leader ?? "0") };
      } catch {
        return undefined;
      }
    },
  };
}

/** `etcdserverpb.KV/Put` by gRPC, which of two fields is not worth a schema. */
function putOver(
  session: http2.ClientHttp2Session,
  key: string,
  value: string,
  timeoutMs: number,
): Promise<void> {
  const message = new BinaryWriter()
    .tag(1, 2)
    .bytes(Buffer.from(key))
    .tag(2, 2)
    .bytes(Buffer.from(value))
    .finish();
  // Not compressed, and the length (gRPC over HTTP/2, "Length-Prefixed-Message").
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/etcdserverpb.KV/Put",
      "content-type": "application/grpc",
      "grpc-timeout": `${timeoutMs}m`,
      te: "trailers",
    });
    let status: unknown;
    const take = (headers: http2.IncomingHttpHeaders) => {
      status = headers["grpc-status"] ?? status;
    };
    const timer = setTimeout(() => stream.close(http2.constants.NGHTTP2_CANCEL), timeoutMs);
    stream.on("response", take);
    stream.on("trailers", take);
    stream.on("error", () => {});
    stream.on("close", () => {
      clearTimeout(timer);
      if (status === "0") resolve();
      else reject(new Error(`etcd has answered with gRPC status ${status}`));
    });
    stream.resume();
    stream.end(frame);
  });
}
