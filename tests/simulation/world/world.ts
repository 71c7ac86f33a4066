import type { ReplicationSettings } from "../../../src/cluster/replication/settings.ts";
import { Invariants } from "../checks/invariants.ts";
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

export function profileOf(seed: number): Profile {
  const random = new Random(`${seed} profile`);
  const leaseMs = random.pick([200, 300, 500]);
  const nodesPerGroup = random.pick([2, 2, 3, 3, 3, 4]);
  const groups = random.chance(0.3) ? ["g", "h"] : ["g"];
  return {
    groups,
    nodesPerGroup,
    routers: random.pick([1, 2, 2, 3]),
    clients: 2 + random.below(4),
    ...usesOf(seed, groups.length, 2 + random.below(5)),
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

export function createWorld(seed: number, keepLines: boolean): World {
  const profile = profileOf(seed);
  const trace = new Trace(keepLines);
  const scheduler = new Scheduler(seed, trace);
  const network = new Network<Services>(seed, scheduler, { ...profile.network, breaks: profile.breaks });
  const coordination = new CoordinationService(seed, network, scheduler, profile.sessionTimeoutMs);
  const invariants = new Invariants(profile.replication, () => scheduler.nowMs);
  return { seed, profile, trace, scheduler, network, coordination, invariants, counts: new Map() };
}

export function count({ counts }: World, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}
