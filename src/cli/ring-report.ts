import { GroupPlace, type RingGroup, type RingMove, type RingRequest } from "../../gen/kvlab/v1/admin_pb.ts";
import { MoveStage } from "../../gen/kvlab/v1/data_pb.ts";
import type { Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { viewOf } from "../client/topology.ts";
import { unevenRing } from "./cluster-status.ts";
import type { Routers } from "./routers.ts";

type Ask = Routers["ask"];

/** The ring, as `kvlab ring` shows it. */
export interface RingReport {
  readonly version: number;
  readonly virtualNodes: number;
  /** Milliseconds for which the router could not check this against ZooKeeper. */
  readonly ageMs: number;
  readonly groups: readonly GroupReport[];
  /** Absent when no change is under way. */
  readonly change?: ChangeReport;
  /** Changes that wait, in their order. */
  readonly queue: readonly RequestReport[];
  readonly warnings: readonly string[];
}

export interface GroupReport {
  readonly name: string;
  readonly place: string;
  /** On the ring; of a group that enters, those that it will have. */
  readonly points: number;
  /** Of all hash values, from 0 to 1. */
  readonly share: number;
  /** When the change has ended. */
  readonly nextShare: number;
  /** As its primary reports. */
  readonly keys?: number;
  /** Of its log, without what compaction would remove. */
  readonly bytes?: number;
  /** Why it is outside the ring. Absent when it is in the ring. */
  readonly waiting?: string;
  /** Why it serves no reads and writes now. Absent when it serves. */
  readonly unavailable?: string;
}

export interface ChangeReport {
  readonly id: number;
  /** Of the next ring. */
  readonly virtualNodes: number;
  readonly groups: readonly string[];
  readonly paused: boolean;
  /** Most keys a second. Absent: no limit. */
  readonly rate?: number;
  readonly moves: readonly MoveReport[];
}

export interface MoveReport {
  readonly from: string;
  readonly to: string;
  /** Of all hash values, from 0 to 1. */
  readonly share: number;
  /** `waiting`, `erase`, `copy`, `seal`, `release` or `done`. */
  readonly state: string;
  /** Keys copied, and to copy, in the attempt that is under way. */
  readonly keys?: number;
  readonly keysTotal?: number;
  readonly elapsedMs?: number;
}

export interface RequestReport {
  readonly add?: string;
  readonly drain?: string;
  readonly virtualNodes?: number;
  readonly rate?: number;
}

/** Who has the keys at a place of the ring, from 0 to 1, and who will have them if they are still to move. */
export type LookAt = (
  place: number,
) => { readonly owner: string; readonly to: string | undefined } | undefined;

const hashCount = 2 ** 32;

/** Asks a router for the ring. Errors: ExitError. */
export async function readRing(ask: Ask): Promise<{ readonly report: RingReport; readonly lookAt: LookAt }> {
  const { topology, groups, progress, queue } = await ask({
    what: "ring",
    kind: "read",
    call: ({ admin }, options) => admin.getRing({}, options),
  });
  if (!topology) throw new Error("ring: the router answered without a topology");
  const shown = groups.map((group) => groupReport(group, topology));
  const { change, ringVersion, virtualNodes, ageMs } = topology;
  const report: RingReport = {
    version: Number(ringVersion),
    virtualNodes,
    ageMs: Number(ageMs),
    groups: shown,
    ...(change && {
      change: {
        id: Number(change.id),
        virtualNodes: change.virtualNodes,
        groups: change.groups,
        paused: progress?.paused ?? false,
        ...rateOf(progress?.rate),
        moves: (progress?.moves ?? []).map(moveReport),
      },
    }),
    queue: queue.map(requestReport),
    warnings: [],
  };
  const { ring } = viewOf(topology);
  const lookAt: LookAt = (place) => ring.at(Math.min(hashCount - 1, Math.floor(place * hashCount)));
  return { report: { ...report, warnings: warningsOf(report) }, lookAt };
}

const places: ReadonlyMap<GroupPlace, string> = new Map([
  [GroupPlace.IN, "in"],
  [GroupPlace.ENTERING, "entering"],
  [GroupPlace.LEAVING, "leaving"],
  [GroupPlace.QUEUED, "queued"],
  [GroupPlace.KEPT_OUTSIDE, "kept-outside"],
  [GroupPlace.NEW, "new"],
]);

function groupReport({ place, keys, bytes, ...group }: RingGroup, { groups }: Topology): GroupReport {
  const { name, points, share, nextShare } = group;
  const { waiting, unavailable } = groups.find((each) => each.name === name) ?? {};
  return {
    name,
    place: places.get(place) ?? "unknown",
    points,
    share,
    nextShare,
    ...(keys !== undefined && { keys: Number(keys) }),
    ...(bytes !== undefined && { bytes: Number(bytes) }),
    ...(waiting && { waiting }),
    ...(unavailable && { unavailable }),
  };
}

const stages: ReadonlyMap<MoveStage, string> = new Map([
  [MoveStage.ERASE, "erase"],
  [MoveStage.COPY, "copy"],
  [MoveStage.SEAL, "seal"],
  [MoveStage.RELEASE, "release"],
]);

function moveReport({ from, to, share, done, progress }: RingMove): MoveReport {
  if (progress === undefined) return { from, to, share, state: done ? "done" : "waiting" };
  const { stage, keys, keysTotal, elapsedMs } = progress;
  return {
    from,
    to,
    share,
    state: stages.get(stage) ?? "unknown",
    keys: Number(keys),
    keysTotal: Number(keysTotal),
    elapsedMs: Number(elapsedMs),
  };
}

export function requestReport({ change, rate }: RingRequest): RequestReport {
  return { ...(change.case !== undefined && { [change.case]: change.value }), ...rateOf(rate) };
}

function rateOf(rate = 0n): { rate?: number } {
  return rate > 0n ? { rate: Number(rate) } : {};
}

function warningsOf({ groups, change, virtualNodes, ageMs }: RingReport): string[] {
  const warnings: string[] = [];
  if (ageMs > 0) {
    const seconds = (ageMs / 1000).toFixed(1);
    warnings.push(`the router has not reached ZooKeeper for ${seconds} s; this may be out of date`);
  }
  if (change?.paused) {
    warnings.push(`ring change ${change.id} is paused; \`kvlab ring resume\` lets it go on`);
  }
  const left = change?.moves.filter(({ state }) => state !== "done") ?? [];
  for (const { name, unavailable } of groups) {
    if (unavailable && left.some(({ from, to }) => from === name || to === name)) {
      warnings.push(`no keys can move from or to ${name}: ${unavailable}`);
    }
  }
  const after = groups.filter(({ place }) => place === "in" || place === "entering");
  const uneven = unevenRing(
    after.map(({ name, nextShare }) => ({ name, share: nextShare })),
    change?.virtualNodes ?? virtualNodes,
  );
  if (uneven) warnings.push(uneven);
  return warnings;
}
