import {
  type GroupView,
  hasMember,
  isSameMember,
  type NodeView,
  type RingShape,
  type RingState,
  type Topology,
} from "../metadata/model.ts";
import type { Owner } from "../metadata/operation-error.ts";
import { ChangingRing, type MoveShare } from "./changing-ring.ts";
import { HashRing } from "./hash-ring.ts";

const placements = new WeakMap<RingState, ChangingRing>();

/** Who owns which key under a ring state, built once for each. */
export function placementOf(state: RingState): ChangingRing {
  let placement = placements.get(state);
  if (placement === undefined) {
    const { change } = state;
    placement = change
      ? new ChangingRing(hashRingOf(state), hashRingOf(change), change.done)
      : new ChangingRing(hashRingOf(state));
    placements.set(state, placement);
  }
  return placement;
}

export function hashRingOf({ groups, virtualNodes }: RingShape): HashRing {
  return new HashRing(groups, { virtualNodes });
}

/** All moves of the change under way, those that have ended too. */
export function allMoves(ring: RingState): readonly MoveShare[] {
  return ring.change === undefined ? [] : movesBetween(ring, ring.change);
}

/** The moves from one ring to another. */
export function movesBetween(present: RingShape, next: RingShape): readonly MoveShare[] {
  return new ChangingRing(hashRingOf(present), hashRingOf(next)).moves();
}

/** The group and primary of a key. Undefined while no group is in the ring. */
export function ownerOf(topology: Topology, key: string): Owner | undefined {
  if (topology.ring === undefined) return undefined;
  const state = topology.ring.value;
  const group = placementOf(state).owner(key);
  if (group === undefined) return undefined;
  return { group, address: primaryOf(topology.groups.get(group))?.address, ringVersion: state.version };
}

/** The group's primary, if it is registered now. */
export function primaryOf(group: GroupView | undefined): NodeView | undefined {
  const primary = group?.state?.value.primary;
  if (primary === undefined) return undefined;
  return group?.nodes.find((node) => isSameMember(node, primary));
}

/** Why a group has no primary now, in words for callers and operators. */
export function noPrimaryReason(name: string, group: GroupView | undefined): string {
  const what = `group "${name}" has no primary now`;
  const state = group?.state?.value;
  if (group === undefined || state === undefined) return `${what}: none of its nodes has registered yet`;
  const { nodes } = group;
  if (hasCandidate(group)) return `${what}: one is being made`;
  const numbers = state.inSync.map(({ number }) => number);
  const shown = `${numbers.length > 1 ? "nodes" : "node"} ${numbers.join(", ")}`;
  const doubtful = nodes.filter(({ number }) => numbers.includes(number)).map(({ number }) => number);
  if (doubtful.length > 0) {
    return `${what}: node ${doubtful.join(", ")} is there, but has not shown that its log is the one that was in sync`;
  }
  const others =
    nodes.length > 0 ? `; only node ${nodes.map(({ number }) => number).join(", ")} is there` : "";
  const hint = nodes.length > 0 ? `; "kvlab recover ${name}" says what they have` : "";
  return `${what}: of its in-sync replicas (${shown}) none is there${others}${hint}`;
}

/** Why the ring has no groups. */
export function noRingReason({ groups }: Topology): string {
  return `no group is in the ring yet: ${groups.size === 0 ? "no data node has registered" : "the master has still to make it"}`;
}

/** Whether a group has a primary, or a replica that can become primary now. */
export function hasCandidate(group: GroupView | undefined): boolean {
  const inSync = group?.state?.value.inSync ?? [];
  return inSync.some((member) => hasMember(group?.nodes ?? [], member));
}

/** Why a group is outside the ring, or only enters it now, in words for operators. Undefined when it is in the ring. */
export function waitingReason({ ring }: Topology, group: string): string | undefined {
  if (ring === undefined) return "the ring has still to be made, by the master";
  const { change, queue = [] } = ring.value;
  switch (placeOfGroup(ring.value, group)) {
    case "in":
    case "leaving":
      return undefined;
    case "entering":
      return enteringReason(ring.value, group);
    case "queued": {
      const index = queue.findIndex((request) => request.kind === "add" && request.group === group);
      const before = index === 0 ? "" : ` and ${index} more`;
      return `it enters the ring after change ${change?.id}, which is under way${before}`;
    }
    case "kept-outside":
      return `an operator has taken it out or kept it out; "kvlab ring add ${group}" lets it in`;
    case "new":
      return (
        "the master lets it in when it has a primary and holds no keys, unless newgroups is wait; " +
        `"kvlab ring add ${group}" lets it in, or says why not`
      );
  }
}

function enteringReason(ring: RingState, group: string): string {
  const { id, paused } = ring.change ?? {};
  const sources = placementOf(ring)
    .moves()
    .flatMap(({ from, to }) => (to === group ? [from] : []));
  const state = paused ? ", which is paused" : "";
  const what = sources.length > 0 ? `keys of ${sources.join(", ")} move to it` : "its keys have moved to it";
  return `it enters the ring with change ${id}${state}: ${what}`;
}

/**
 * Where a group is, as far as the ring is concerned. `entering` and `leaving`: with the change under way. `queued`: it is
 * to enter after that. `kept-outside`: until an operator asks for it. `new`: nothing is decided yet.
 */
export type GroupPlace = "in" | "entering" | "leaving" | "queued" | "kept-outside" | "new";

export function placeOfGroup(ring: RingState, group: string): GroupPlace {
  const isPresent = ring.groups.includes(group);
  const isNext = (ring.change ?? ring).groups.includes(group);
  if (isPresent) return isNext ? "in" : "leaving";
  if (isNext) return "entering";
  const isQueued = ring.queue?.some((request) => request.kind === "add" && request.group === group);
  if (isQueued) return "queued";
  return ring.outside?.includes(group) ? "kept-outside" : "new";
}
