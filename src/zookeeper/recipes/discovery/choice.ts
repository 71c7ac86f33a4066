import type { ServiceInstance } from "./service-instance.ts";

/** How to choose one of the healthy instances of a service. */
export interface ChoiceStrategy {
  /** `instances` are in the order of their ids, and at least one. */
  choose(instances: readonly [ServiceInstance, ...ServiceInstance[]]): ServiceInstance;
  /** Learns that a call to an instance has failed. */
  failed?(instance: ServiceInstance): void;
}

/** Failures that are remembered: those before are forgiven. */
const FAILURES_MAX = 1000;

/** One after another, in the order of their ids, also while instances come and go. */
export function roundRobin(): ChoiceStrategy {
  let last = "";
  return {
    choose(instances) {
      const chosen = instances.find(({ id }) => id > last) ?? instances[0];
      last = chosen.id;
      return chosen;
    },
  };
}

/** Any, all with the same chance. */
export function randomChoice(random: () => number = Math.random): ChoiceStrategy {
  return {
    choose: (instances) => instances[Math.floor(random() * instances.length)] ?? instances[0],
  };
}

/** Those that have not failed, one after another; and when all have failed, the one that did so the longest time ago. */
export function leastRecentlyFailed(): ChoiceStrategy {
  /** Ids in the order in which they have failed last. */
  const failures = new Set<string>();
  const others = roundRobin();
  return {
    choose(instances) {
      const [first, ...rest] = instances.filter(({ id }) => !failures.has(id));
      if (first !== undefined) return others.choose([first, ...rest]);
      for (const failed of failures) {
        const found = instances.find(({ id }) => id === failed);
        if (found !== undefined) return found;
      }
      return instances[0];
    },
    failed({ id }) {
      failures.delete(id);
      failures.add(id);
      const [oldest] = failures;
      if (failures.size > FAILURES_MAX && oldest !== undefined) failures.delete(oldest);
    },
  };
}
