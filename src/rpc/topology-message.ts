import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type GroupSchema,
  NodeRole,
  type RemovedGroupSchema,
  type RingChangeSchema,
  type Topology as TopologyMessage,
  TopologySchema,
} from "../../gen/kvlab/v1/topology_pb.ts";

import {
  type GroupView,
  hasMember,
  type RemovedGroup,
  type RingChange,
  type Topology,
} from "../cluster/metadata/model.ts";
import { noPrimaryReason, placementOf, primaryOf, waitingReason } from "../cluster/ring/placement.ts";

/** The message of `GetTopology`. `nowMs` is monotonic. */
export function toTopologyMessage(topology: Topology, nowMs: number): TopologyMessage {
  const ring = topology.ring?.value;
  const shares = ring === undefined ? new Map<string, number>() : placementOf(ring).shares();
  const groups = [...topology.groups.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return create(TopologySchema, {
    clusterId: topology.cluster ?? "",
    ringVersion: BigInt(ring?.version ?? 0),
    virtualNodes: ring?.virtualNodes ?? 0,
    groups: groups.map((group) =>
      toGroup(group, shares.get(group.name) ?? 0, waitingReason(topology, group.name)),
    ),
    routers: topology.routers.map(({ number, address }) => ({ number, address })),
    ageMs: ageOf(topology, nowMs),
    ...(ring?.change && { change: toChange(ring.change) }),
    removed: (ring?.removed ?? []).map(toRemoved),
  });
}

function toRemoved({
  group,
  ringVersion,
  firstEpoch,
  lastEpoch,
}: RemovedGroup): MessageInitShape<typeof RemovedGroupSchema> {
  return {
    name: group,
    ringVersion: BigInt(ringVersion),
    firstEpoch: BigInt(firstEpoch),
    lastEpoch: BigInt(lastEpoch),
  };
}

function toChange({ id, virtualNodes, groups, done }: RingChange): MessageInitShape<typeof RingChangeSchema> {
  return {
    id: BigInt(id),
    virtualNodes,
    groups: [...groups],
    done: done.map(({ from, to }) => ({ from, to })),
  };
}

/** Milliseconds since the topology was last checked. */
export function ageOf(topology: Topology, nowMs: number): bigint {
  return topology.staleSinceMs === undefined
    ? 0n
    : BigInt(Math.max(1, Math.round(nowMs - topology.staleSinceMs)));
}

function toGroup(view: GroupView, share: number, waiting = ""): MessageInitShape<typeof GroupSchema> {
  const primary = primaryOf(view);
  const inSync = view.state?.value.inSync ?? [];
  return {
    name: view.name,
    epoch: BigInt(view.state?.value.epoch ?? 0),
    share,
    waiting,
    unavailable: primary === undefined ? noPrimaryReason(view.name, view) : "",
    nodes: view.nodes.map((node) => ({
      number: node.number,
      address: node.address,
      role: node === primary ? NodeRole.PRIMARY : NodeRole.STANDBY,
      inSync: hasMember(inSync, node),
    })),
  };
}
