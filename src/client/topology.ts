import { NodeRole, type RingChange, type Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { ChangingRing } from "../cluster/ring/changing-ring.ts";
import { HashRing } from "../cluster/ring/hash-ring.ts";
import { type Address, parseAddress } from "../common/address.ts";
import type { RemovedGroup } from "./stream-cluster.ts";

/** A group that owns keys, or will when the change of the ring has ended. */
export interface GroupView {
  readonly name: string;
  /** Rises by one with every new primary. */
  readonly epoch: bigint;
  /** Address of its primary. Undefined while it has none. */
  readonly primary: Address | undefined;
  /** Why it has no primary, in words. */
  readonly unavailable: string;
}

/** What a client needs to know about the cluster. Immutable: each change makes a new view. */
export interface ClusterView {
  /** Random id of the cluster. Empty when the router was of an earlier version. */
  readonly clusterId: string;
  readonly ringVersion: bigint;
  /** See `RingMoment.change`. */
  readonly nextChange: bigint;
  readonly ring: ChangingRing;
  /** By name. */
  readonly groups: ReadonlyMap<string, GroupView>;
  /** Other groups, which may have had keys. */
  readonly outside: ReadonlyMap<string, GroupView>;
  /** Groups that were removed, by name. */
  readonly removed: ReadonlyMap<string, RemovedGroup>;
  /** Why there are no groups, in words. */
  readonly empty: string;
}

/** Whether a view is of another cluster than the known one: a new one, after the data of the known one was removed. */
export function isOtherCluster(view: { clusterId: string }, known = ""): boolean {
  return view.clusterId !== "" && known !== "" && view.clusterId !== known;
}

/**
 * The view of a router's answer. Newer parts that were known before are kept, because another router may be behind.
 * Another cluster has epochs and ring versions of its own.
 */
export function viewOf(message: Topology, known?: ClusterView): ClusterView {
  const before = isOtherCluster(message, known?.clusterId) ? undefined : known;
  const behind = before !== undefined && message.ringVersion < before.ringVersion;
  const groups = new Map<string, GroupView>();
  const outside = new Map<string, GroupView>();
  const { change } = message;
  for (const { name, epoch, nodes, waiting, unavailable } of message.groups) {
    const isOutside = waiting !== "" && !change?.groups.includes(name);
    const earlier = before?.groups.get(name) ?? before?.outside.get(name);
    const primary = parseAddress(nodes.find(({ role }) => role === NodeRole.PRIMARY)?.address ?? "");
    const isBehind = earlier !== undefined && earlier.epoch > epoch;
    (isOutside ? outside : groups).set(name, isBehind ? earlier : { name, epoch, primary, unavailable });
  }
  if (behind) {
    const newest = new Map([...outside, ...groups]);
    const kept = (known: ReadonlyMap<string, GroupView>) =>
      new Map([...known].map(([name, group]) => [name, newest.get(name) ?? group]));
    return { ...before, groups: kept(before.groups), outside: kept(before.outside) };
  }
  const why = message.groups.length === 0 ? "no data node has registered" : "the master has still to make it";
  const empty = `no group is in the ring yet: ${why}`;
  const { ringVersion } = message;
  const clusterId = message.clusterId || (before?.clusterId ?? "");
  // Routers of earlier versions leave out a group whose znodes they have still to read.
  const isSameRing = before?.ringVersion === ringVersion && sameKeys(before.groups, groups);
  const ring = isSameRing ? before.ring : ringOf(message);
  const nextChange = change?.id ?? ringVersion + 1n;
  const removed = new Map(message.removed.map((group) => [group.name, group]));
  return { clusterId, ringVersion, nextChange, ring, groups, outside, removed, empty };
}

function ringOf({ groups, virtualNodes, change }: Topology): ChangingRing {
  const present = groups.filter(({ waiting }) => waiting === "").map(({ name }) => name);
  const ring = new HashRing(present, { virtualNodes });
  return change === undefined
    ? new ChangingRing(ring)
    : new ChangingRing(ring, nextRing(change), change.done);
}

function nextRing({ groups, virtualNodes }: RingChange): HashRing {
  return new HashRing(groups, { virtualNodes });
}

function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key));
}
