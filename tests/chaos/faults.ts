import { copyFile, rename, rm } from "node:fs/promises";
import { NodeRole } from "../../gen/kvlab/v1/topology_pb.ts";
import type { Random } from "../simulation/world/random.ts";
import type { ProxyMode, TcpProxy } from "../support/tcp-proxy.ts";
import type { ZooKeeperMember } from "../support/zookeeper.ts";
import { type ChaosCluster, type ChaosServer, enteringGroup } from "./cluster.ts";

/** A fault that can begin now. */
export interface Fault {
  /** For the count. */
  readonly kind: string;
  /** In full. */
  readonly what: string;
  /** What no other fault may take hold of meanwhile; nothing when there is nobody to do it to. */
  readonly holds: readonly object[];
  readonly forMs: number;
  begin(): void | Promise<void>;
  end(): void | Promise<void>;
}

type FaultMaker = (cluster: ChaosCluster, random: Random) => Promise<Fault>;

/** Within the lease of 500 ms, beyond it, and beyond the session of 2 s. */
const pausesMs = [
  [100, 500],
  [700, 1800],
  [2500, 6000],
] as const;
const ensembleSettlesMs = 2000;
/** The larger group has more to go wrong. */
const groupsOften = ["left", "left", "right", enteringGroup] as const;
const holdModes = ["hold", "hold-requests", "hold-replies"] as const;

/** Those that strike the protocol most often are there more than once. */
export const faultMakers: readonly FaultMaker[] = [
  kill,
  kill,
  pause,
  pause,
  killZooKeeper,
  freezeZooKeeper,
  (cluster, random) => cut(cluster, random, "front"),
  (cluster, random) => cut(cluster, random, "zookeeper"),
  (cluster, random) => hold(cluster, random, "front"),
  (cluster, random) => hold(cluster, random, "zookeeper"),
  (cluster, random) => hold(cluster, random, "all"),
  isolate,
  isolate,
  replaceLog,
];

async function kill(cluster: ChaosCluster, random: Random): Promise<Fault> {
  const [role, servers] = await pickServers(cluster, random);
  return {
    kind: `kill -9 ${role}`,
    what: `kill -9 ${role}: ${namesOf(servers)}`,
    holds: servers.map(({ process }) => process),
    forMs: random.chance(0.3) ? 0 : random.between(200, 4000),
    begin: async () => void (await Promise.all(servers.map(({ process }) => process.kill()))),
    end() {
      for (const { process } of random.shuffle(servers)) process.launch();
    },
  };
}

async function pause(cluster: ChaosCluster, random: Random): Promise<Fault> {
  const [role, servers] = await pickServers(cluster, random);
  const [from, to] = random.pick(pausesMs);
  return {
    kind: `pause ${role}`,
    what: `pause ${role}: ${namesOf(servers)}`,
    holds: servers.map(({ process }) => process),
    forMs: random.between(from, to),
    begin: () => signalAll(servers, "SIGSTOP"),
    end: () => signalAll(servers, "SIGCONT"),
  };
}

async function killZooKeeper(cluster: ChaosCluster, random: Random): Promise<Fault> {
  const [role, [member]] = await pickMembers(cluster, random, ["leader", "follower"]);
  return {
    kind: `kill ZooKeeper ${role}`,
    what: `kill ZooKeeper ${role} ${member?.address}`,
    holds: member === undefined ? [] : [cluster.zookeeper],
    forMs: random.between(100, 4000),
    begin: async () => void (await member?.kill()),
    end: () => mend(cluster),
  };
}

async function freezeZooKeeper(cluster: ChaosCluster, random: Random): Promise<Fault> {
  const [role, members] = await pickMembers(cluster, random, ["leader", "follower", "all"]);
  return {
    kind: `freeze ZooKeeper ${role}`,
    what: `freeze ZooKeeper ${role} ${members.map(({ address }) => address).join(", ")}`,
    holds: members.length === 0 ? [] : [cluster.zookeeper],
    forMs: random.between(200, 4000),
    begin() {
      for (const member of members) member.freeze();
    },
    end: () => mend(cluster),
  };
}

/**
 * Until the ensemble is whole, and has had time to write to disk what its members sent each other to become so. A
 * member of ZooKeeper 3.8.0 that is killed before can lose what has been committed (ZOOKEEPER-4646, ZOOKEEPER-4785):
 * znodes then go back to what they were, and no user of ZooKeeper can make that good.
 */
async function mend({ zookeeper }: ChaosCluster): Promise<void> {
  await zookeeper.restore();
  await new Promise((resolve) => setTimeout(resolve, ensembleSettlesMs));
}

/** Breaks all connections; for a while, no new ones are taken. */
async function cut(cluster: ChaosCluster, random: Random, which: "front" | "zookeeper"): Promise<Fault> {
  const [role, servers] = await pickServers(cluster, random);
  const links = servers.flatMap((server) => linksOf(server, which));
  return {
    kind: `cut ${which} of ${role}`,
    what: `cut ${which} of ${role}: ${namesOf(servers)}`,
    holds: links,
    forMs: random.chance(0.5) ? 0 : random.between(200, 4000),
    begin: () => setAll(links, "cut"),
    end: () => setAll(links, "pass"),
  };
}

/** Lets nothing through, in both directions or in one. What was sent then arrives late, or never. */
async function hold(
  cluster: ChaosCluster,
  random: Random,
  which: "front" | "zookeeper" | "all",
): Promise<Fault> {
  const [role, servers] = await pickServers(cluster, random);
  const links = servers.flatMap((server) => linksOf(server, which));
  const mode = random.pick(holdModes);
  const breaks = random.chance(0.5);
  return {
    kind: `${mode} ${which} of ${role}`,
    what: `${mode} ${which} of ${role}, ${breaks ? "then cut" : "then deliver"}: ${namesOf(servers)}`,
    holds: links,
    forMs: random.between(200, 6000),
    begin: () => setAll(links, mode),
    end() {
      if (breaks) setAll(links, "cut");
      setAll(links, "pass");
    },
  };
}

/** Leaves a primary to its clients: it reaches neither its standbys nor ZooKeeper, and no server reaches it. */
async function isolate(cluster: ChaosCluster, random: Random): Promise<Fault> {
  const group = random.pick(groupsOften);
  const breaks = random.chance(0.5);
  const nodes = cluster.servers.filter((server) => server.group === group);
  const primary = nodes.find(await roleOf(cluster, "primary", group));
  // Its way to the others leads through the links in front of them.
  const links = primary === undefined ? [] : [...nodes.map(({ front }) => front), ...primary.zookeeperLinks];
  return {
    kind: "isolate primary",
    what: `isolate primary, ${breaks ? "then cut" : "then deliver"}: ${primary?.process.name}`,
    holds: links,
    forMs: random.between(1500, 6000),
    begin: () => setAll(links, "hold"),
    end() {
      if (breaks) setAll(links, "cut");
      setAll(links, "pass");
    },
  };
}

/**
 * Somebody puts a copy in the place of a standby's log: one that was made before, or one of another replica's. Not in a
 * primary's, which may be the only one in sync: its group would have to wait for an operator.
 */
async function replaceLog(cluster: ChaosCluster, random: Random): Promise<Fault> {
  const group = random.pick(groupsOften);
  const order = random.shuffle(cluster.servers.filter((server) => server.group === group));
  const kind = random.pick(["old", "copied"] as const);
  const standby = order.find(await roleOf(cluster, "standby", group));
  const from = kind === "old" ? standby : order.find((server) => server !== standby);
  const copy = `${standby?.log}.copy`;
  return {
    kind: `${kind} log`,
    what: `${kind} log of ${from?.process.name} in place of that of ${standby?.process.name}`,
    holds: standby === undefined || from === undefined ? [] : [standby.process],
    forMs: random.between(200, 6000),
    begin: () => (from === undefined ? undefined : copyFile(from.log, copy)),
    async end() {
      if (standby === undefined) return;
      await standby.process.kill();
      // Killed, it can be made primary at most in name.
      const topology = await cluster.topology();
      const primary = topology?.groups
        .find(({ name }) => name === group)
        ?.nodes.find(({ role }) => role === NodeRole.PRIMARY);
      if (primary === undefined || primary.address === standby.front.address) await rm(copy);
      else await rename(copy, standby.log);
      standby.process.launch();
    },
  };
}

async function pickServers(
  cluster: ChaosCluster,
  random: Random,
): Promise<[role: string, servers: ChaosServer[]]> {
  const roles = ["router", "master", "primary", "primary", "primary", "standby", "standby", "group"] as const;
  const role = random.pick(roles);
  // Chosen before anybody is asked, so that the same seed goes on in the same way.
  const group = random.pick(groupsOften);
  const order = random.shuffle(cluster.servers);
  const isRole = await roleOf(cluster, role, group);
  const found = order.filter(isRole);
  return [role, role === "group" ? found : found.slice(0, 1)];
}

async function roleOf(
  cluster: ChaosCluster,
  role: "router" | "master" | "primary" | "standby" | "group",
  group: string,
): Promise<(server: ChaosServer) => boolean> {
  if (role === "router") return (server) => server.group === undefined;
  if (role === "group") return (server) => server.group === group;
  const topology = await cluster.topology();
  if (role === "master") {
    const master = topology?.routers.find(({ number }) => number === 0);
    return ({ front }) => front.address === master?.address;
  }
  const nodes = topology?.groups.find(({ name }) => name === group)?.nodes ?? [];
  const primary = nodes.find((node) => node.role === NodeRole.PRIMARY);
  return (server) =>
    server.group === group && (server.front.address === primary?.address) === (role === "primary");
}

async function pickMembers(
  { zookeeper: { members } }: ChaosCluster,
  random: Random,
  roles: readonly ("leader" | "follower" | "all")[],
): Promise<[role: string, members: ZooKeeperMember[]]> {
  const role = random.pick(roles);
  const order = random.shuffle(members);
  if (role === "all") return [role, order];
  const modes = await Promise.all(order.map((member) => member.mode()));
  return [role, order.filter((_, index) => modes[index] === role).slice(0, 1)];
}

function linksOf(server: ChaosServer, which: "front" | "zookeeper" | "all"): TcpProxy[] {
  return [
    ...(which === "zookeeper" ? [] : [server.front]),
    ...(which === "front" ? [] : server.zookeeperLinks),
  ];
}

function setAll(links: readonly TcpProxy[], mode: ProxyMode): void {
  for (const link of links) link.setMode(mode);
}

function signalAll(servers: readonly ChaosServer[], name: NodeJS.Signals): void {
  for (const { process } of servers) if (process.isRunning) process.signal(name);
}

function namesOf(servers: readonly ChaosServer[]): string {
  return servers.map(({ process }) => process.name).join(", ");
}
