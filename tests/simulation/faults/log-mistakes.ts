import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import { openLog } from "../../../src/cluster/storage/open.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { ShadowLog } from "../checks/shadow-log.ts";
import type { Cluster } from "../world/cluster.ts";
import type { DataHost, LogCopy } from "../world/data-host.ts";
import { SimProcess } from "../world/process.ts";
import type { Random } from "../world/random.ts";
import type { MistakeKind } from "./plan.ts";

/** What somebody does to logs while their nodes are down. */
export interface Mistake {
  readonly nodes: readonly DataHost[];
  /** What is done, in words. */
  readonly what: string;
  /** Ends the nodes, if they run, and does it. */
  readonly carryOut: () => void | Promise<void>;
}

/** A mistake that is to be made now, or `delayMs` after something was put aside for it; and is not always possible. */
export interface PlannedMistake {
  readonly delayMs: number;
  readonly make: () => Mistake | undefined;
}

/**
 * What people do to log files. A log that was replaced is a disk that was lost: so a group keeps a member in sync whose
 * log is whole, but where old copies come back. Of these any number may: then the group has to stay away until an
 * operator says what counts.
 */
export function planMistake(
  kind: MistakeKind,
  cluster: Cluster,
  host: DataHost,
  random: Random,
): PlannedMistake {
  switch (kind) {
    case "copied log":
      return now(() => copied(cluster, host, random));
    case "old log":
      return old(cluster, host, random);
    case "swapped logs":
      return now(() => swapped(cluster, host, random));
    case "foreign log":
      return now(() => foreign(cluster, host, random));
    case "flipped bit":
      return now(() => {
        if (host.logBytes.length === 0 || !maySpoil(cluster, host)) return undefined;
        return { nodes: [host], what: host.name, carryOut: () => host.flipBit() };
      });
  }
}

function now(make: PlannedMistake["make"]): PlannedMistake {
  return { delayMs: 0, make };
}

/** Somebody copies the log of one node to another: while the one runs, as like as not. */
function copied(cluster: Cluster, host: DataHost, random: Random): Mistake | undefined {
  const from = other(cluster, host, random);
  const copy = from?.copyLog();
  // What comes home again by way of another node is an old copy.
  if (copy === undefined || copy.facts.of === host.replica.origin || !maySpoil(cluster, host))
    return undefined;
  return {
    nodes: [host],
    what: `${from?.name} to ${host.name}`,
    carryOut: () => host.replaceLog(copy, isInPlace(host, random)),
  };
}

/**
 * Somebody puts a copy of a node's log aside, and later back: after the node was stopped alone, or the whole group; or
 * all of its logs are put back.
 */
function old(cluster: Cluster, host: DataHost, random: Random): PlannedMistake {
  const group = cluster.nodes.filter((node) => node.group === host.group);
  const isAll = random.chance(0.2);
  const nodes = isAll || random.chance(0.3) ? random.shuffle(group) : [host];
  const copies = new Map(nodes.map((node) => [node, isAll || node === host ? node.copyLog() : undefined]));
  return {
    delayMs: random.pick([random.between(50, 500), random.between(500, 8000)]),
    make() {
      const back = [...copies].flatMap(([node, copy]) => {
        if (copy === undefined || copy.facts.of !== node.replica.origin) return [];
        const inPlace = isInPlace(node, random);
        return inPlace && !isKnown(cluster, node, copy) ? [] : [{ node, copy, inPlace }];
      });
      if (back.length === 0) return undefined;
      return {
        nodes,
        what: `${back.map(({ node }) => node.name).join(" ")}, after ${nodes.length} were stopped`,
        carryOut() {
          for (const node of nodes) node.kill();
          for (const { node, copy, inPlace } of back) node.restore(copy, inPlace);
        },
      };
    },
  };
}

/**
 * Whether a copy that is written over the file itself can be known to be an old one: since the node has taken its place
 * anew, or the floor has been raised. A copy of the last seconds cannot: that much may be lost by it, and is not asked.
 */
function isKnown({ world }: Cluster, { replica, group }: DataHost, { facts }: LogCopy): boolean {
  return (
    replica.registrations > facts.registrations || world.invariants.group(group).floor.seq > facts.lastSeq
  );
}

/** Somebody swaps two logs: by their names, which takes each replica to another machine whole; or by copying. */
function swapped(cluster: Cluster, host: DataHost, random: Random): Mistake | undefined {
  const with_ = other(cluster, host, random);
  const [own, foreign] = [host.copyLog(), with_?.copyLog()];
  if (with_ === undefined || own === undefined || foreign === undefined) return undefined;
  const nodes = [host, with_];
  if (random.chance(0.3)) {
    if (nodes.some(({ replica }) => replica.isSpoiled)) return undefined;
    return { nodes, what: `${host.name} ${with_.name}, renamed`, carryOut: () => host.swapFiles(with_) };
  }
  if (own.facts.of === foreign.facts.of || !maySpoil(cluster, ...nodes)) return undefined;
  return {
    nodes,
    what: `${host.name} ${with_.name}, copied`,
    carryOut() {
      const inPlace = isInPlace(host, random);
      host.replaceLog(foreign, inPlace);
      with_.replaceLog(own, inPlace);
    },
  };
}

/** Somebody takes a node's log for that of another group, or another cluster. */
function foreign(cluster: Cluster, host: DataHost, random: Random): Mistake | undefined {
  if (!maySpoil(cluster, host)) return undefined;
  const inPlace = isInPlace(host, random);
  const others = cluster.nodes.filter((node) => node.group !== host.group);
  const copy = others.length > 0 && random.chance(0.5) ? random.pick(others).copyLog() : undefined;
  if (copy !== undefined) {
    return {
      nodes: [host],
      what: `of another group at ${host.name}`,
      carryOut: () => host.replaceLog(copy, inPlace),
    };
  }
  return {
    nodes: [host],
    what: `of another cluster at ${host.name}`,
    async carryOut() {
      host.kill();
      host.replaceLog(await logOfAnotherCluster(cluster, host, random), inPlace);
    },
  };
}

/** A log of the same group and node in a cluster that has the same keys, with other values. */
async function logOfAnotherCluster(cluster: Cluster, host: DataHost, random: Random): Promise<LogCopy> {
  const { seed, scheduler, trace, profile } = cluster.world;
  const disk = new SimulatedDisk(999);
  const process = new SimProcess("elsewhere", 1, seed, scheduler, trace);
  const store = await openLog({
    disk,
    dbfile: "db.txt",
    rbfile: "rollback.txt",
    clock: process.clock,
    onFatal: (error) => process.log(error.message),
    log: (message) => process.log(message),
  });
  const owner = { cluster: "elsewhere", group: host.group, number: host.replica.number ?? 1 };
  await store.adopt(owner);
  const epoch = 1 + random.below(3);
  const records: LogRecord[] = [{ epoch, seq: 1, changes: [] }];
  const revisions = new Map<string, number>();
  const last = 1 + random.below(200);
  for (let seq = 2; seq <= last; seq++) {
    const key = random.pick(profile.keys);
    const value = Buffer.from(`elsewhere ${seq}`);
    const previous = revisions.get(key) ?? 0;
    records.push({ epoch, seq, changes: [{ kind: "put", key, value, text: true, previous }] });
    revisions.set(key, seq);
  }
  await store.append(records);
  store.commit(records.length);
  await store.close();
  const facts = {
    of: new ShadowLog("elsewhere", host.group),
    lastSeq: records.length,
    records: new Map(records.map((record) => [record.seq, record])),
    copiedSeq: 0,
    promisedEpoch: epoch,
    registrations: 1,
    life: 0n,
    pending: undefined,
  };
  return { bytes: disk.contents("db.txt") ?? Buffer.alloc(0), facts };
}

/** Another node of the group. */
function other(cluster: Cluster, host: DataHost, random: Random): DataHost | undefined {
  const others = cluster.nodes.filter((node) => node.group === host.group && node !== host);
  return others.length === 0 ? undefined : random.pick(others);
}

/** Whether the group keeps a member in sync whose log is whole. */
export function maySpoil(cluster: Cluster, ...hosts: readonly DataHost[]): boolean {
  return hosts.every(({ group, replica }) => {
    const facts = cluster.world.invariants.group(group);
    return replica.number !== undefined && facts.isWholeBeside(...hosts.map((host) => host.replica));
  });
}

/** Whether the copy is written over the file, or is another one. */
function isInPlace(host: DataHost, random: Random): boolean {
  return random.chance(0.5) && host.logBytes.length > 0;
}
