import type { Cluster } from "../world/cluster.ts";
import type { Random } from "../world/random.ts";
import type { RingKind } from "./plan.ts";

/** What an operator does to the ring, whatever else goes wrong. Returns it in words; undefined when it is not possible now. */
export function changeRing(kind: RingKind, cluster: Cluster, random: Random): string | undefined {
  const { ringOperator, world } = cluster;
  if (kind === "late group") return cluster.startLate();
  const ring = world.invariants.ring?.ring;
  if (ring === undefined || ring.groups.length === 0) return undefined;
  const { groups } = ring.change ?? ring;
  // A second or less for a key, now and then.
  const rate = random.pick([0, 0, 0, 1, 5, 50]);
  switch (kind) {
    case "ring add": {
      const others = world.profile.groups.filter((group) => !groups.includes(group));
      return others.length === 0
        ? undefined
        : ringOperator.change({ case: "add", value: random.pick(others) }, rate);
    }
    case "ring drain":
      return ringOperator.change({ case: "drain", value: random.pick(groups) }, rate);
    case "ring virtual nodes":
      return ringOperator.change({ case: "virtualNodes", value: random.pick([0, 1, 2, 4, 8, 16]) }, rate);
    case "ring pause":
      return ringOperator.pace(true);
    case "ring resume":
      return ringOperator.pace(false, rate);
    case "ring abort":
      return ringOperator.abort();
    case "ring remove": {
      const outside = (ring.outside ?? []).filter((group) => !cluster.isRetired(group));
      return outside.length === 0 ? undefined : cluster.remove(random.pick(outside));
    }
  }
}
