import type { Cluster } from "../world/cluster.ts";
import { serviceName } from "../world/coordination-connection.ts";
import type { Host } from "../world/host.ts";
import type { LinkRule } from "../world/network.ts";
import type { Random } from "../world/random.ts";
import type { FaultKind } from "./plan.ts";
import { someHosts, targetOf } from "./targets.ts";

export type LinkFaultKind = Extract<
  FaultKind,
  "partition" | "one-way cut" | "bridge" | "slow link" | "zookeeper cut" | "zookeeper slow"
>;

/** What is to happen to links, those of `host` where the kind is about one machine; and what was hit, in words. */
export function linkFault(
  kind: LinkFaultKind,
  cluster: Cluster,
  host: Host,
  random: Random,
): { rule: LinkRule; what: string } {
  switch (kind) {
    case "partition": {
      const some = someHosts(cluster, random);
      if (random.chance(0.5)) some.add(serviceName);
      return {
        rule: cut((from, to) => some.has(from) !== some.has(to)),
        what: `${[...some].join(" ")} from the others`,
      };
    }
    case "one-way cut": {
      const isFrom = random.chance(0.5);
      const other = random.chance(0.5) ? targetOf(cluster, "node", random).name : undefined;
      const rule = cut((from, to) => {
        const [own, peer] = isFrom ? [from, to] : [to, from];
        return own === host.name && (other === undefined ? peer !== serviceName : peer === other);
      });
      return {
        rule,
        what: `${isFrom ? "from" : "to"} ${host.name}, ${isFrom ? "to" : "from"} ${other ?? "all"}`,
      };
    }
    case "bridge": {
      const some = someHosts(cluster, random);
      const isBridge = (name: string) => name === host.name || name === serviceName;
      return {
        rule: cut((from, to) => !isBridge(from) && !isBridge(to) && some.has(from) !== some.has(to)),
        what: `${[...some].join(" ")} from the others, but over ${host.name}`,
      };
    }
    case "slow link": {
      const isFrom = random.chance(0.5);
      const effect = random.pick([10, 30, 100]);
      return {
        rule: { effect, applies: (from, to) => (isFrom ? from : to) === host.name },
        what: `${isFrom ? "from" : "to"} ${host.name}, ${effect} times`,
      };
    }
    case "zookeeper cut":
      return { rule: cutFromService(host.name), what: host.name };
    case "zookeeper slow":
      return { rule: serviceRule(random.pick([10, 50, 200])), what: "" };
  }
}

/** Of all links to the coordination service and back. */
export function serviceRule(effect: LinkRule["effect"]): LinkRule {
  return { effect, applies: (from, to) => from === serviceName || to === serviceName };
}

export function cutFromService(name: string): LinkRule {
  return cut((from, to) => (from === name && to === serviceName) || (from === serviceName && to === name));
}

function cut(applies: LinkRule["applies"]): LinkRule {
  return { effect: "cut", applies };
}
