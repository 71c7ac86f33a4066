import { StandbyState, type StandbyStatus, type StatusResponse } from "../../gen/kvlab/v1/data_pb.ts";
import { type Group, NodeRole, type Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { messageOf } from "../common/message-of.ts";
import type { Routers } from "./routers.ts";

type Ask = Routers["ask"];

/** A ring is uneven when a group owns this many times its fair share of it, or less than this fraction of it. */
const UNEVEN_RATIO = 1.5;

/**
 * Numbers of virtual nodes that make a ring even, as far as that goes: shares differ by about 1 / sqrt(points) of
 * themselves, so 128 leave 9 %.
 */
const VIRTUAL_NODES_EVEN = [128, 512];

export interface NodeStatus {
  readonly number: number;
  readonly address: string;
  readonly role: "primary" | "standby";
  readonly inSync: boolean;
  /**
   * Records of the primary that it does not have on disk. Undefined on the primary, and when the primary does not
   * report it.
   */
  readonly lag?: number;
  /** True when the primary reports that its disk is full. */
  readonly diskFull?: boolean;
  /**
   * What the primary's replicator is doing for it. Undefined on the primary, and when the primary does not report it.
   */
  readonly state?: string;
  /** How much of a snapshot has arrived; undefined unless one is being sent. */
  readonly snapshotPercent?: number;
}

export interface GroupStatus {
  readonly name: string;
  readonly epoch: number;
  /** Share of all hash values, from 0 to 1. */
  readonly share: number;
  /** Why the group is not in the ring. Absent when it is. */
  readonly waiting?: string;
  /** Why the group serves no reads and writes now. Absent when it serves. */
  readonly unavailable?: string;
  /** Why the disk of its primary takes no writes. Absent when it takes them. */
  readonly diskTrouble?: string;
  /** Keys, and bytes of the log file, as the primary reports them. */
  readonly keys?: number;
  readonly logBytes?: number;
  readonly nodes: readonly NodeStatus[];
}

/** The state of the cluster, as `kvlab status` shows it. */
export interface ClusterStatus {
  /** The cluster's random id, which every log contains. */
  readonly cluster: string;
  readonly ringVersion: number;
  readonly virtualNodes: number;
  /** Id of the change of the ring that is under way. Absent when there is none. */
  readonly ringChange?: number;
  /** Milliseconds for which the router could not check this against ZooKeeper. */
  readonly ageMs: number;
  readonly routers: readonly {
    readonly number: number;
    readonly address: string;
    readonly master: boolean;
  }[];
  readonly groups: readonly GroupStatus[];
  readonly warnings: readonly string[];
}

/** Asks a router for the topology, and every group's primary for its state through that router. Errors: ExitError. */
export async function readClusterStatus(ask: Ask): Promise<ClusterStatus> {
  const { topology } = await ask({
    what: "status",
    kind: "read",
    call: ({ router }, options) => router.getTopology({}, options),
  });
  if (!topology) throw new Error("status: the router answered without a topology");
  const groups = await Promise.all(topology.groups.map((group) => readGroupStatus(ask, group)));
  return {
    cluster: topology.clusterId,
    ringVersion: Number(topology.ringVersion),
    virtualNodes: topology.virtualNodes,
    ...(topology.change && { ringChange: Number(topology.change.id) }),
    ageMs: Number(topology.ageMs),
    routers: topology.routers.map(({ number, address }) => ({ number, address, master: number === 0 })),
    groups,
    warnings: warningsOf(topology, groups),
  };
}

async function readGroupStatus(ask: Ask, group: Group): Promise<GroupStatus> {
  const report = await askPrimary(ask, group);
  const said = typeof report === "string" ? undefined : report;
  const unavailable = said ? said.unavailable : report;
  return {
    name: group.name,
    epoch: Number(group.epoch),
    share: group.share,
    ...(group.waiting && { waiting: group.waiting }),
    ...(unavailable && { unavailable: String(unavailable) }),
    ...(said?.diskTrouble && { diskTrouble: said.diskTrouble }),
    ...(said && { keys: Number(said.keys), logBytes: Number(said.logBytes) }),
    nodes: group.nodes.map(({ number, address, role, inSync }) => {
      const standby = said?.standbys.find((each) => each.number === number);
      return {
        number,
        address,
        role: role === NodeRole.PRIMARY ? "primary" : "standby",
        inSync,
        ...(standby && { lag: Number(standby.lag) }),
        ...(standby?.diskFull && { diskFull: true }),
        ...stateOf(standby),
      };
    }),
  };
}

const standbyStates: ReadonlyMap<StandbyState, string> = new Map([
  [StandbyState.PROBE, "probe"],
  [StandbyState.REPLICATE, "replicate"],
  [StandbyState.SNAPSHOT, "snapshot"],
  [StandbyState.PAUSED, "paused"],
]);

/**
 * A primary of an earlier version does not report it; a primary of a later version may report a value unknown here.
 */
function stateOf(standby: StandbyStatus | undefined): Pick<NodeStatus, "state" | "snapshotPercent"> {
  const state = standby && standbyStates.get(standby.state);
  if (standby === undefined || state === undefined) return {};
  const { snapshotPercent } = standby;
  return snapshotPercent === undefined ? { state } : { state, snapshotPercent };
}

/** What the primary of a group reports, or why there is no report. */
async function askPrimary(ask: Ask, { name, nodes, unavailable }: Group): Promise<StatusResponse | string> {
  if (unavailable !== "") return unavailable;
  // A router of an earlier version does not report the reason.
  if (!nodes.some(({ role }) => role === NodeRole.PRIMARY)) return "it has no primary";
  try {
    return await ask({
      what: `status of ${name}`,
      kind: "read",
      call: ({ data }, options) => data.status({ group: name }, options),
    });
  } catch (error) {
    return messageOf(error);
  }
}

function warningsOf(topology: Topology, groups: readonly GroupStatus[]): string[] {
  const warnings: string[] = [];
  if (topology.ageMs > 0n) {
    warnings.push(
      `the router has not reached ZooKeeper for ${seconds(topology.ageMs)}; this may be out of date`,
    );
  }
  if (!topology.routers.some(({ number }) => number === 0)) warnings.push("there is no master");
  if (groups.length === 0) warnings.push("there is no group: no data node has registered yet");
  for (const { name, unavailable, diskTrouble, waiting, nodes } of groups) {
    if (unavailable) warnings.push(`the keys of ${name} are unavailable: ${unavailable}`);
    else if (diskTrouble) warnings.push(`the primary of ${name} takes no writes: ${diskTrouble}`);
    for (const { number } of nodes.filter(({ diskFull }) => diskFull)) {
      warnings.push(`node ${number} of ${name} has no room on its disk`);
    }
    // What enters now needs no attention.
    if (waiting && !topology.change?.groups.includes(name))
      warnings.push(`${name} is outside the ring: ${waiting}`);
  }
  // While the ring changes, the shares will not stay so.
  const inRing = groups.filter(({ waiting }) => !waiting);
  const uneven = topology.change === undefined ? unevenRing(inRing, topology.virtualNodes) : undefined;
  if (uneven) warnings.push(uneven);
  return warnings;
}

/** A warning when the ring does not give its groups about the same share, with the command that mends it. */
export function unevenRing(
  groups: readonly { readonly name: string; readonly share: number }[],
  virtualNodes: number,
): string | undefined {
  const fair = 1 / groups.length;
  const uneven = groups.filter(({ share }) => share > fair * UNEVEN_RATIO || share < fair / UNEVEN_RATIO);
  if (uneven.length === 0) return undefined;
  const shares = uneven.map(({ name, share }) => `${name} has ${percent(share)}`).join(", ");
  const enough = VIRTUAL_NODES_EVEN.find((count) => count > virtualNodes);
  const advice =
    enough === undefined
      ? ""
      : `; \`kvlab ring set --virtual-nodes ${enough}\` makes it more even, and moves keys`;
  return `the ring is uneven: ${shares}, where ${percent(fair)} would be fair${advice}`;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function seconds(ms: bigint): string {
  return `${(Number(ms) / 1000).toFixed(1)} s`;
}
