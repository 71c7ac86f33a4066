import { NodeRole, type Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { type Address, parseAddress } from "../cluster/address.ts";
import { HashRing } from "../cluster/ring.ts";

/** A group of the ring. */
export interface GroupView {
  readonly name: string;
  /** Rises by one with every new primary. */
  readonly epoch: bigint;
  /** Of its primary; undefined while it has none. */
  readonly primary: Address | undefined;
}

/** The cluster as a client needs to know it. Immutable: each change makes a new one. */
export interface ClusterView {
  readonly ringVersion: bigint;
  readonly virtualNodes: number;
  readonly ring: HashRing;
  /** Those in the ring, by name. */
  readonly groups: ReadonlyMap<string, GroupView>;
}

/** What a router has told, unless something later was known before: another router may be behind. */
export function viewOf(message: Topology, before?: ClusterView): ClusterView {
  const behind = before !== undefined && message.ringVersion < before.ringVersion;
  const groups = new Map<string, GroupView>();
  for (const { name, epoch, nodes, waiting } of message.groups) {
    if (waiting !== "") continue;
    const known = before?.groups.get(name);
    const primary = parseAddress(nodes.find(({ role }) => role === NodeRole.PRIMARY)?.address ?? "");
    groups.set(name, known !== undefined && known.epoch > epoch ? known : { name, epoch, primary });
  }
  if (behind) {
    for (const [name, known] of before.groups) groups.set(name, groups.get(name) ?? known);
    return { ...before, groups };
  }
  const { ringVersion, virtualNodes } = message;
  const ring =
    before !== undefined && before.virtualNodes === virtualNodes && sameKeys(before.groups, groups)
      ? before.ring
      : new HashRing(groups.keys(), { virtualNodes });
  return { ringVersion, virtualNodes, ring, groups };
}

function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key));
}
