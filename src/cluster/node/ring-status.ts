import type { Clock } from "../../common/clock.ts";
import type { RingState, Topology } from "../metadata/model.ts";
import { isSameMove, type Move, type MoveShare } from "../ring/changing-ring.ts";
import type { MoveProgress } from "../ring/move-progress.ts";
import { allMoves, type GroupPlace, hashRingOf, placementOf, placeOfGroup } from "../ring/placement.ts";
import { type AskReport, type GroupReport, reportOf } from "./group-report.ts";

/** A group, as far as the ring is concerned. */
export interface RingGroup {
  readonly name: string;
  readonly place: GroupPlace;
  /** On the ring; of a group that enters, those that it will have. 0 when it is outside. */
  readonly points: number;
  /** Of all hash values, now. */
  readonly share: number;
  /** When the change under way has ended. */
  readonly nextShare: number;
  /** Undefined when its primary cannot be asked. */
  readonly report: GroupReport | undefined;
}

/** A move of the change under way. */
export interface RingMove extends MoveShare {
  readonly done: boolean;
  /** Undefined unless it is under way. */
  readonly progress: MoveProgress | undefined;
}

/** The ring, and how far its change is. */
export interface RingStatus {
  readonly topology: Topology;
  readonly ring: RingState;
  /** All groups, by name. */
  readonly groups: readonly RingGroup[];
  /** All moves of the change under way, by the names of their groups. */
  readonly moves: readonly RingMove[];
}

/** Looks at the ring of a topology, and asks the primaries for their part. */
export async function ringStatus(
  options: { readonly clock: Clock; readonly askReport: AskReport },
  topology: Topology,
  ring: RingState,
  signal: AbortSignal,
): Promise<RingStatus> {
  const names = [
    ...new Set([...topology.groups.keys(), ...ring.groups, ...(ring.change?.groups ?? [])]),
  ].sort();
  const reports = await Promise.all(
    names.map((name) => reportOf(topology.groups.get(name), options, signal)),
  );
  const shares = placementOf(ring).shares();
  const nextShares = hashRingOf(ring.change ?? ring).shares();
  const groups = names.map((name, index) => ({
    name,
    place: placeOfGroup(ring, name),
    points: pointsOf(ring, name),
    share: shares.get(name) ?? 0,
    nextShare: nextShares.get(name) ?? 0,
    report: reports[index],
  }));
  const progresses = reports.flatMap((report) => report?.moves ?? []);
  const progressOf = (move: Move) =>
    progresses.find((each) => each.change === ring.change?.id && isSameMove(each, move));
  const left = placementOf(ring);
  const moves = allMoves(ring).map((move) => {
    const done = !left.has(move);
    return { ...move, done, progress: done ? undefined : progressOf(move) };
  });
  return { topology, ring, groups, moves };
}

function pointsOf({ change, ...present }: RingState, group: string): number {
  const shape = [present, change].find((each) => each?.groups.includes(group));
  return shape === undefined ? 0 : shape.virtualNodes + 1;
}
