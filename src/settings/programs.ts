import { basename, dirname, join } from "node:path";
import { defaultIntervalMs, intervalMsMin } from "../agent/interval.ts";
import { groupNameAllowed, isGroupName } from "../cluster/metadata/paths.ts";
import { defaultReplicationSettings, type ReplicationSettings } from "../cluster/replication/settings.ts";
import { virtualNodesMax } from "../cluster/ring/hash-ring.ts";
import type { Address } from "../common/address.ts";
import { defaultValueBytesMax, valueBytesLimit } from "../common/key-limits.ts";
import { parseConnectString } from "../zookeeper/wire/connect-string.ts";
import { firstOuterAddress } from "./announced.ts";
import {
  address,
  choice,
  host,
  number,
  optional,
  type Program,
  port,
  type SettingsTable,
  text,
  withDefault,
} from "./setting.ts";

const outerAddress = firstOuterAddress() ?? "127.0.0.1";

/** The settings of the servers, by name. Each program takes the ones it needs. */
const settings = {
  zooaddr: withDefault(
    text({
      meaning: "ZooKeeper servers to connect to, and the path below which kvlab keeps its znodes.",
      placeholder: "HOSTS",
      allowed: "host[:port][,host[:port]...][/path], where the path stands once, at the end",
      accepts: isConnectString,
    }),
    "localhost:2181",
  ),
  zooauth: optional(
    text({
      meaning:
        "Digest credentials for ZooKeeper. The znodes are then readable by all, and writable only with these credentials.",
      placeholder: "USER:PASSWORD",
      allowed: "user:password",
      accepts: (given) => /^[^:]+:.+$/.test(given),
      secret: true,
    }),
  ),
  zkdriver: withDefault(
    choice<"wire" | "native">({
      meaning: "ZooKeeper client: kvlab's own, or the npm package zookeeper (on Node.js only).",
      placeholder: "DRIVER",
      words: ["wire", "native"],
    }),
    "wire",
  ),
  sessiontimeoutms: withDefault(
    number({
      meaning:
        "Session time-out: milliseconds of silence after which ZooKeeper considers this process dead. ZooKeeper may raise or lower it.",
      placeholder: "MS",
      min: 1000,
      max: 300_000,
    }),
    10_000,
  ),
  serverip: withDefault(
    host({
      meaning:
        "Address to listen on and to announce. With 0.0.0.0 or :: the server listens on all addresses, and announces the default.",
      placeholder: "HOST",
    }),
    outerAddress,
    `the first IPv4 address that is not loopback, here ${outerAddress}`,
  ),
  serverport: withDefault(port({ meaning: "Port for every protocol.", placeholder: "PORT" }), 1926),
  announce: withDefault<Address | undefined>(
    address({
      meaning:
        "Address at which other servers and clients reach this server, if it differs from where it listens: behind a proxy or an address translation, or in a container.",
      placeholder: "HOST:PORT",
    }),
    undefined,
    "serverip:serverport",
  ),
  virtualnodes: withDefault(
    number({
      meaning:
        "Virtual nodes of a group: each group has one point more than this on the ring. Only the process that creates the cluster's ring uses it.",
      placeholder: "COUNT",
      min: 0,
      max: virtualNodesMax,
    }),
    2,
  ),
  newgroups: withDefault(
    choice<"enter" | "wait">({
      meaning:
        "Whether a new group enters the ring by itself and takes its share of the keys, or waits for `kvlab ring add`. The master's setting counts, so it should be the same on all routers.",
      placeholder: "WHAT",
      words: ["enter", "wait"],
    }),
    "enter",
  ),
  minsync: withDefault(
    number({
      meaning: "Least number of in-sync members, including the primary, with which writes are accepted.",
      placeholder: "COUNT",
      min: 1,
      max: 100,
    }),
    defaultReplicationSettings.minSync,
  ),
  standbytimeoutms: withDefault(
    number({
      meaning:
        "Milliseconds that writes wait for a standby before the primary removes it from the in-sync set.",
      placeholder: "MS",
      min: 100,
      max: 60_000,
    }),
    defaultReplicationSettings.standbyTimeoutMs,
  ),
  leasems: withDefault(
    number({
      meaning:
        "Milliseconds for which a primary answers reads after it last heard from its standbys. A new primary waits for this time. It must be the same on all nodes of a group.",
      placeholder: "MS",
      min: 50,
      max: 60_000,
    }),
    defaultReplicationSettings.leaseMs,
  ),
  historybytes: withDefault(
    number({
      meaning: "Bytes of the newest records that compaction keeps, so that interrupted watches can continue.",
      placeholder: "BYTES",
      min: 0,
      max: 1024 ** 4,
    }),
    16 * 1024 * 1024,
  ),
  maxvaluebytes: withDefault(
    number({
      meaning:
        "Longest value in bytes. gRPC clients with default settings accept messages of 4 MiB, and a message is more than its value.",
      placeholder: "BYTES",
      min: 1,
      max: valueBytesLimit,
    }),
    defaultValueBytesMax,
  ),
  agent: withDefault(
    choice<"on" | "off">({
      meaning:
        "Whether the server reports the load of its machine in ZooKeeper, under /zk-agent, for `kvlab agents`.",
      placeholder: "WHAT",
      words: ["on", "off"],
    }),
    "on",
  ),
} satisfies SettingsTable;

export const routerProgram = {
  command: "kvlab router",
  summary: "Runs a router: it says where keys live and forwards calls to the node that owns the key.",
  settings: {
    zooaddr: settings.zooaddr,
    serverip: settings.serverip,
    serverport: settings.serverport,
    announce: settings.announce,
    virtualnodes: settings.virtualnodes,
    newgroups: settings.newgroups,
    maxvaluebytes: settings.maxvaluebytes,
    sessiontimeoutms: settings.sessiontimeoutms,
    zooauth: settings.zooauth,
    zkdriver: settings.zkdriver,
    agent: settings.agent,
  },
} satisfies Program<SettingsTable>;

export const dataProgram = {
  command: "kvlab data",
  summary: "Runs a data node: a replica of a group, which keeps the group's keys in a log file.",
  settings: {
    name: text({
      meaning: "Name of the group that this node is a replica of.",
      placeholder: "GROUP",
      allowed: groupNameAllowed,
      accepts: isGroupName,
    }),
    zooaddr: settings.zooaddr,
    serverip: settings.serverip,
    serverport: settings.serverport,
    announce: settings.announce,
    dbfile: withDefault(
      text({
        meaning: "Log file with the keys and values.",
        placeholder: "FILE",
        completes: "files",
        allowed: "a path",
      }),
      "db.txt",
    ),
    rbfile: withDefault<string | undefined>(
      text({
        meaning:
          "File for the rewritten log, before it replaces the log. It must be on the same file system, and no other node may use it.",
        placeholder: "FILE",
        completes: "files",
        allowed: "a path",
      }),
      undefined,
      "rollback.txt beside a dbfile named db.txt, else dbfile with .rollback at its end",
    ),
    minsync: settings.minsync,
    standbytimeoutms: settings.standbytimeoutms,
    leasems: settings.leasems,
    historybytes: settings.historybytes,
    maxvaluebytes: settings.maxvaluebytes,
    sessiontimeoutms: settings.sessiontimeoutms,
    zooauth: settings.zooauth,
    zkdriver: settings.zkdriver,
    agent: settings.agent,
  },
} satisfies Program<SettingsTable>;

export const devProgram = {
  command: "kvlab dev",
  summary:
    "Runs a whole cluster in one process, without ZooKeeper: three routers and two groups of two data nodes. The data is kept over restarts.",
  settings: {
    serverip: withDefault(settings.serverip, "127.0.0.1"),
    routerport: withDefault(
      number({
        meaning: "Port of the first router; the others follow.",
        placeholder: "PORT",
        min: 1,
        max: 65_533,
      }),
      1926,
    ),
    dataport: withDefault(
      number({
        meaning: "Port of the first data node; the others follow.",
        placeholder: "PORT",
        min: 1,
        max: 65_532,
      }),
      2000,
    ),
    datadir: withDefault(
      text({
        meaning: "Folder for all data.",
        placeholder: "DIR",
        completes: "files",
        allowed: "a path",
      }),
      "data",
    ),
    virtualnodes: withDefault(settings.virtualnodes, 128),
    minsync: settings.minsync,
    standbytimeoutms: settings.standbytimeoutms,
    leasems: settings.leasems,
    historybytes: settings.historybytes,
    maxvaluebytes: settings.maxvaluebytes,
    agent: settings.agent,
  },
} satisfies Program<SettingsTable>;

export const agentProgram = {
  command: "kvlab agent",
  summary:
    "Reports the load of this machine in ZooKeeper, under /zk-agent, until Ctrl-C. Routers and data nodes do so by themselves: this is for machines without one.",
  settings: {
    zooaddr: settings.zooaddr,
    serverip: withDefault(
      host({ meaning: "Address by which others reach this machine.", placeholder: "HOST" }),
      outerAddress,
      `the first IPv4 address that is not loopback, here ${outerAddress}`,
    ),
    name: optional(
      text({
        meaning: "A name for people.",
        placeholder: "NAME",
        source: "flag",
        allowed: "1 to 100 characters",
        accepts: (given) => given.length >= 1 && given.length <= 100,
      }),
    ),
    folder: optional(
      text({
        meaning: "Folder whose file system is reported.",
        placeholder: "DIR",
        source: "flag",
        completes: "files",
        allowed: "a path",
      }),
    ),
    intervalms: withDefault(
      number({
        meaning: "Least milliseconds between two reports. There is none while nothing changes.",
        placeholder: "MS",
        min: intervalMsMin,
        max: 3_600_000,
      }),
      defaultIntervalMs,
    ),
    sessiontimeoutms: settings.sessiontimeoutms,
    zooauth: settings.zooauth,
    zkdriver: settings.zkdriver,
  },
  examples: [
    "kvlab agent --zooaddr zoo1:2181,zoo2:2181",
    "kvlab agent --name backup-host --folder /var/backups",
  ],
} satisfies Program<SettingsTable>;

/** The default of `rbfile`. It is derived from the log's name, so that two nodes in one folder do not share it. */
export function rbfileFor(dbfile: string): string {
  return basename(dbfile) === "db.txt" ? join(dirname(dbfile), "rollback.txt") : `${dbfile}.rollback`;
}

/** The settings of replication among a program's settings. */
export function replicationOf(settings: {
  readonly leasems: number;
  readonly standbytimeoutms: number;
  readonly minsync: number;
}): ReplicationSettings {
  return {
    leaseMs: settings.leasems,
    standbyTimeoutMs: settings.standbytimeoutms,
    minSync: settings.minsync,
  };
}

function isConnectString(given: string): boolean {
  try {
    parseConnectString(given);
    return true;
  } catch {
    return false;
  }
}
