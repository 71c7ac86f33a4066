import type { Cluster } from "../world/cluster.ts";
import type { DataHost } from "../world/data-host.ts";
import type { Random } from "../world/random.ts";
import type { Effects } from "./effects.ts";

interface Loss {
  readonly group: string;
  readonly cluster: Cluster;
  readonly effects: Effects;
  readonly durationMs: number;
  readonly random: Random;
}

/**
 * All disks of a group's in-sync replicas are lost: then it stays away until an operator says that it goes on with what
 * is left. That is the log of a node that was away and had left the set before; an old copy that somebody puts back; or
 * nothing.
 */
export function loseGroup(loss: Loss): string {
  const { group, cluster, effects, random } = loss;
  const nodes = cluster.nodes.filter((node) => node.group === group);
  const left = random.shuffle(nodes).slice(0, random.below(nodes.length));
  const how = random.pick(["away", "away", "copied", "nothing"]);
  if (how === "away") {
    // So long that the set goes on without them.
    for (const node of left) effects.down(node, random.between(4000, 12_000), () => node.kill());
  }
  const copies = new Map(how === "copied" ? left.map((node) => [node, node.copyLog()]) : []);
  effects.after(random.between(1000, 4000), "lost group", () => {
    for (const node of nodes) if (isInSync(cluster, node)) lose(node, copies.get(node), loss);
  });
  return `${group}; left: ${how === "nothing" ? "nothing" : left.map(({ name }) => name).join(" ")} (${how})`;
}

function lose(
  node: DataHost,
  copy: ReturnType<DataHost["copyLog"]>,
  { effects, durationMs, random }: Loss,
): void {
  if (copy === undefined || copy.facts.of !== node.replica.origin) node.wipe();
  else node.restore(copy, false);
  effects.lasting(random.chance(0.5) ? durationMs : random.between(10, 3000), () => node.start());
}

function isInSync({ world }: Cluster, { group, replica }: DataHost): boolean {
  return world.invariants.group(group).isInSync(replica);
}
