import type { Cluster } from "../world/cluster.ts";
import type { Host } from "../world/host.ts";
import type { Random } from "../world/random.ts";
import type { Role } from "./plan.ts";

/** The machine that a fault hits now. */
export function targetOf(cluster: Cluster, role: Role, random: Random): Host {
  const { nodes, routers, hosts, world } = cluster;
  const group = random.pick(world.profile.groups);
  const primary = cluster.primaryOf(group);
  switch (role) {
    case "primary":
      return primary ?? random.pick(nodes);
    case "standby":
      return random.pick(nodes.filter((node) => node !== primary));
    case "node":
      return random.pick(nodes);
    case "router":
      return random.pick(routers);
    case "any":
      return random.pick(hosts);
    case "master":
      return routers.find(({ name }) => name === cluster.master) ?? random.pick(routers);
    default:
      return inMove(cluster, role, random) ?? random.pick(nodes);
  }
}

/** A machine of the groups between which keys move. */
function inMove(
  cluster: Cluster,
  role: "source" | "source standby" | "destination" | "destination standby",
  random: Random,
): Host | undefined {
  const { nodes, world } = cluster;
  const move = world.invariants.ring?.lastMove;
  const group = role.startsWith("source") ? move?.from : move?.to;
  const primary = group === undefined ? undefined : cluster.primaryOf(group);
  if (!role.endsWith("standby")) return primary;
  const standbys = nodes.filter((node) => node.group === group && node !== primary);
  return standbys.length > 0 ? random.pick(standbys) : undefined;
}

/** The names of some machines, but not of all. */
export function someHosts(cluster: Cluster, random: Random): Set<string> {
  const names = random.shuffle(cluster.hosts.map(({ name }) => name));
  return new Set(names.slice(0, 1 + random.below(names.length - 1)));
}
