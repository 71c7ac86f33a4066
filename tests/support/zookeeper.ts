import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./free-ports.ts";
import { until } from "./until.ts";
import { type MemberPorts, makeMember, type ZooKeeperMember } from "./zookeeper-member.ts";

export type { ZooKeeperMember } from "./zookeeper-member.ts";

export interface ZooKeeperSettings {
  /** One server that stands alone, or an ensemble of three. 1 by default. */
  readonly members?: 1 | 3;
  /**
   * How many servers there are besides, which can join an ensemble of three by `reconfig`. With some, everybody may do
   * so, and the configuration of the ensemble has addresses for clients. 0 by default.
   */
  readonly spare?: number;
  /**
   * ZooKeeper's unit of time. SessionKeeper live for at least two ticks and expire on a tick; followers follow within
   * ten. 250 by default, so that what has to time out does so soon.
   */
  readonly tickTimeMs?: number;
  /**
   * Whether each member also has a port for TLS, with a self-signed certificate. `mutual`: clients there need one that
   * the member trusts, which its own is. Not by default.
   */
  readonly tls?: boolean | "mutual";
  /** Memory for Java's heap, in megabytes. 192 by default. */
  readonly heapMb?: number;
  /** Lines of zoo.cfg besides, for what is switched off by default. */
  readonly config?: Readonly<Record<string, string>>;
  /** Properties of the JVM, for what has no line in zoo.cfg. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** Real ZooKeeper servers on 127.0.0.1, with their data in a temporary folder. */
export interface ZooKeeper {
  /** With data and log of each member, until it is closed. */
  readonly folder: string;
  readonly members: readonly ZooKeeperMember[];
  /** They have still to be started. */
  readonly spare: readonly ZooKeeperMember[];
  /** `host:port` of all members, separated by commas. */
  readonly connectString: string;
  /** The member that leads (or stands alone), once there is one. */
  leader(): Promise<ZooKeeperMember>;
  /** A member that does not lead, once there is a leader. */
  follower(): Promise<ZooKeeperMember>;
  /** Thaws and starts what does not run, and waits until all members serve, under one leader. */
  restore(): Promise<void>;
  /** Kills all members and removes their data. */
  close(): Promise<void>;
}

/**
 * Starts ZooKeeper and waits until all members serve. It goes when this process does, however that ends.
 * Needs the Debian package `zookeeper`.
 */
export async function startZooKeeper(settings: ZooKeeperSettings = {}): Promise<ZooKeeper> {
  for (let attempt = 1; ; attempt++) {
    const zookeeper = await layOut(settings);
    try {
      await Promise.all(zookeeper.members.map((member) => member.start()));
      return zookeeper;
    } catch (error) {
      await zookeeper.close();
      // Between finding a port free and taking it, somebody else can take it.
      if (attempt === 3 || !String(error).includes("Address already in use")) throw error;
    }
  }
}

async function layOut(settings: ZooKeeperSettings): Promise<ZooKeeper> {
  const { members: count = 1, spare = 0, tickTimeMs = 250, tls = false, heapMb = 192 } = settings;
  const config = { ...(spare > 0 && { reconfigEnabled: "true" }), ...settings.config };
  const properties = { ...(spare > 0 && { "zookeeper.skipACL": "yes" }), ...settings.properties };
  const folder = await mkdtemp(join(tmpdir(), "kvlab-zookeeper-"));
  const free = await freePorts((count + spare) * 4);
  const ports = Array.from({ length: count + spare }, (_, index): MemberPorts => {
    const [client = 0, secure = 0, quorum = 0, election = 0] = free.slice(index * 4);
    return { client, secure, quorum, election };
  });
  const all = ports.map((_, index) =>
    makeMember({ index, ports, spare, folder, tickTimeMs, tls, heapMb, config, properties }),
  );
  const members = all.slice(0, count);
  const quorum = Math.floor(count / 2);
  return {
    folder,
    members,
    spare: all.slice(count),
    connectString: members.map(({ address }) => address).join(","),
    leader: async () => (await led(members, quorum)).leader,
    follower: async () => (await led(members, quorum)).followers[0] ?? nobody(),
    async restore() {
      for (const member of members) member.thaw();
      for (const member of members) member.launch();
      await led(members, count - 1);
    },
    async close() {
      await Promise.all(all.map((member) => member.kill()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Roles {
  readonly leader: ZooKeeperMember;
  readonly followers: readonly ZooKeeperMember[];
}

/** Resolves when one member leads (or stands alone) and so many follow. Two lead for a moment after a thaw. */
function led(members: readonly ZooKeeperMember[], followersMin: number): Promise<Roles> {
  return until("one ZooKeeper member leads", 60_000, async () => {
    const modes = await Promise.all(members.map((member) => member.mode()));
    const followers = members.filter((_, index) => modes[index] === "follower");
    const [leader, ...rivals] = members.filter((_, index) =>
      ["leader", "standalone"].includes(modes[index] ?? ""),
    );
    if (leader === undefined || rivals.length > 0 || followers.length < followersMin) return undefined;
    return { leader, followers };
  });
}

function nobody(): never {
  throw new Error("a ZooKeeper that stands alone has no followers");
}
