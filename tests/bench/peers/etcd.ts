import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "../../support/free-ports.ts";
import { until } from "../../support/until.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import type { Peer } from "./peer.ts";
import { Server } from "./server.ts";

export interface EtcdMember {
  readonly server: Server;
  /** `host:port` for clients. */
  readonly address: string;
}

export interface EtcdCluster {
  readonly members: readonly EtcdMember[];
  /** The member that leads; undefined while there is none. */
  leader(): Promise<EtcdMember | undefined>;
  /** Waits until all members follow one leader. */
  whole(): Promise<void>;
  close(): Promise<void>;
}

/** Three servers with default settings, but for `flags`. */
export async function startEtcdCluster(flags: readonly string[] = []): Promise<EtcdCluster> {
  const folder = await temporaryFolder("etcd");
  const ports = await freePorts(6);
  const url = (at: number) => `http://127.0.0.1:${ports[at]}`;
  const indexes = [0, 1, 2];
  const members = indexes.map((index): EtcdMember => {
    const [client, peer] = [url(index), url(3 + index)];
    const args = [
      ["--name", `e${index}`, "--data-dir", join(folder, `e${index}`)],
      ["--listen-client-urls", client, "--advertise-client-urls", client],
      ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ["--initial-cluster", indexes.map((other) => `e${other}=${url(3 + other)}`).join(",")],
      ["--log-level", "fatal", ...flags],
    ].flat();
    const server = new Server({ name: `etcd ${index}`, command: "etcd", args });
    return { server, address: `127.0.0.1:${ports[index]}` };
  });
  const cluster: EtcdCluster = {
    members,
    async leader() {
      for (const member of members) {
        const status = await statusOf(member);
        if (status !== undefined && status.leader === status.self) return member;
      }
      return undefined;
    },
    async whole() {
      await until("all three members of etcd follow one leader", 60_000, async () => {
        const leaders = await Promise.all(members.map(async (member) => (await statusOf(member))?.leader));
        return leaders[0] !== undefined && leaders[0] !== "0" && new Set(leaders).size === 1;
      });
    },
    async close() {
      await Promise.all(members.map(({ server }) => server.kill()));
      await rm(folder, { recursive: true, force: true });
    },
  };
  for (const { server } of members) server.launch();
  try {
    await cluster.whole();
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** Room for what the measurements write: at 2 GiB, the default, etcd takes no more puts. */
const roomFlags = ["--quota-backend-bytes", String(8 * 1024 ** 3)];

export async function startEtcd(): Promise<Peer> {
  const cluster = await startEtcdCluster(roomFlags);
  const said = execFileSync("etcd", ["--version"], { encoding: "utf8" });
  return {
    name: "etcd",
    version: /etcd Version: (\S+)/.exec(said)?.[1] ?? "unknown",
    async members() {
      const leader = await cluster.leader();
      return cluster.members
        .map((member) => ({
          role: member === leader ? "leader" : "member",
          pid: member.server.pid,
          address: member.address,
        }))
        .sort((a, b) => a.role.localeCompare(b.role));
    },
    whole: cluster.whole,
    close: cluster.close,
  };
}

/** Numbers of a member and of whom it follows; undefined when it does not answer. */
async function statusOf({ address }: EtcdMember): Promise<{ self: string; leader: string } | undefined> {
  try {
    const call = { method: "POST", body: "{}", signal: AbortSignal.timeout(1000) };
    const answer = await (await fetch(`http://${address}/v3/maintenance/status`, call)).json();
    return { self: String(answer.header.member_id), leader: String(answer.leader ?? "0") };
  } catch {
    return undefined;
  }
}
