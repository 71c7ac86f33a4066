import type { ReplicationSettings } from "../../../src/cluster/replication/settings.ts";
import { Invariants } from "../checks/invariants.ts";
import { RingFacts } from "../checks/ring-facts.ts";
import { type Uses, usesOf } from "../clients/uses.ts";
import { CoordinationService } from "./coordination-service.ts";
import type { NetworkProfile } from "./network.ts";
import { Network } from "./network.ts";
import { Random } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
import type { Services } from "./services.ts";
import { Trace } from "./trace.ts";

/** What kind of cluster a seed stands for. */
export interface Profile extends Uses {
  readonly groups: readonly string[];
  /** Whether the ring changes while there are keys. */
  readonly changesRing: boolean;
  /** Of the groups, those whose machines start only in the middle. */
  readonly lateGroups: readonly string[];
  readonly nodesPerGroup: number;
  readonly routers: number;
  readonly clients: number;
  /** Part of the puts with a value so large that logs are compacted, and sent in several messages. */
  readonly largeValues: number;
  readonly replication: ReplicationSettings;
  readonly sessionTimeoutMs: number;
  readonly network: Omit<NetworkProfile, "breaks">;
  /** Of a write or sync, about. */
  readonly diskLatencyMs: number;
  /** From which length on a log has an index file. */
  readonly indexedBytesMin: number;
  /** Between two calls of one client, about. */
  readonly thinkMs: number;
  /** For how long faults happen. */
  readonly faultsMs: number;
}

/** `fixed`: the ring does not change, whatever the seed. */
export function profileOf(seed: number, fixed = false): Profile {
  const random = new Random(`${seed} profile`);
  const leaseMs = random.pick([200, 300, 500]);
  const nodes = random.pick([2, 2, 3, 3, 3, 4]);
  const { changesRing, groups, lateGroups } = groupsOf(seed, random.chance(0.3) ? ["g", "h"] : ["g"], fixed);
  return {
    groups,
    changesRing,
    lateGroups,
    // As many machines as without the other groups, about.
    nodesPerGroup: changesRing ? Math.max(2, Math.min(nodes, Math.round(6 / groups.length))) : nodes,
    routers: random.pick([1, 2, 2, 3]),
    clients: 2 + random.below(4),
    ...usesOf(seed, groups.length, 2 + random.below(5) + (changesRing ? 6 : 0)),
    largeValues: random.chance(0.03) ? 0.2 : 0,
    replication: {
      leaseMs,
      standbyTimeoutMs: random.pick([leaseMs, 2 * leaseMs, 1000]),
      minSync: random.chance(0.2) ? 2 : 1,
    },
    sessionTimeoutMs: random.pick([1500, 2000, 4000]),
    network: {
      latencyMs: random.pick([0.3, 1, 1, 3, 10]),
      loss: random.pick([0, 0, 0.001, 0.01]),
      duplication: random.pick([0, 0.01, 0.1]),
    },
    diskLatencyMs: random.pick([0.2, 1, 1, 5]),
    // Of a stream of its own, so that it changes nothing else about the cluster.
    indexedBytesMin: new Random(`${seed} index file`).pick([100, 500, Number.MAX_SAFE_INTEGER]),
    thinkMs: random.pick([50, 100, 200, 300]),
    faultsMs: random.between(12_000, 30_000),
  };
}

/** Of a stream of its own, so that seeds whose ring does not change are as they would be without the others. */
function groupsOf(
  seed: number,
  groups: readonly string[],
  fixed: boolean,
): Pick<Profile, "changesRing" | "groups" | "lateGroups"> {
  const random = new Random(`${seed} ring`);
  if (fixed || random.chance(0.5)) return { changesRing: false, groups, lateGroups: [] };
  const late = random.pick([["x"], ["x"], ["x", "y"], groups.length > 1 ? [] : ["x"]]);
  return { changesRing: true, groups: [...groups, ...late], lateGroups: late };
}

/** What everything in a simulated cluster shares. */
export interface World {
  readonly seed: number;
  readonly profile: Profile;
  readonly trace: Trace;
  readonly scheduler: Scheduler;
  readonly network: Network<Services>;
  readonly coordination: CoordinationService;
  readonly invariants: Invariants;
  /** How often something has happened, by its name. */
  readonly counts: Map<string, number>;
}

export function createWorld(seed: number, keepLines: boolean, profile = profileOf(seed)): World {
  const trace = new Trace(keepLines);
  const scheduler = new Scheduler(seed, trace);
  const network = new Network<Services>(seed, scheduler, { ...profile.network, breaks: profile.breaks });
  const coordination = new CoordinationService(seed, network, scheduler, profile.sessionTimeoutMs);
  const ring = profile.changesRing ? new RingFacts(profile.keys) : undefined;
  const invariants = new Invariants(profile.replication, () => scheduler.nowMs, ring);
  return { seed, profile, trace, scheduler, network, coordination, invariants, counts: new Map() };
}

export function count({ counts }: World, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}
