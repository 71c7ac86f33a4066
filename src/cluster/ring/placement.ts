import {
  type GroupView,
  isSameMember,
  type NodeView,
  type RingShape,
  type RingState,
  type Topology,
} from "../metadata/model.ts";
import type { Owner } from "../metadata/operation-error.ts";
import { ChangingRing } from "./changing-ring.ts";
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

function hashRingOf({ groups, virtualNodes }: RingShape): HashRing {
  return new HashRing(groups, { virtualNodes });
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
  return inSync.some((member) => group?.nodes.some((node) => isSameMember(node, member)));
}

/** Why a group is outside the ring, in words for operators. Undefined when it is in the ring. */
export function waitingReason({ ring }: Topology, group: string): string | undefined {
  if (ring?.value.groups.includes(group)) return undefined;
  return ring?.value.written
    ? "the groups in the ring hold keys already, and keys cannot be moved to a new group yet"
    : "the master has not found out yet whether it would take over keys of other groups";
}
