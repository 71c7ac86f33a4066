import type { Topology } from "../../src/cluster/metadata/model.ts";
import type { TopologySource } from "../../src/cluster/metadata/topology.ts";

/** A topology that a test tells. */
export class ToyTopology implements TopologySource {
  current: Topology | undefined;
  readonly unreadReason = "ZooKeeper has not been reached";
  readonly #listeners = new Set<(topology: Topology) => void>();

  /** Listeners that were not removed. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  tell(topology: Topology): void {
    this.current = topology;
    for (const listener of [...this.#listeners]) listener(topology);
  }

  onChange(listener: (topology: Topology) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  waitUntil(predicate: (topology: Topology) => boolean, signal: AbortSignal): Promise<Topology> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.current !== undefined && predicate(this.current)) resolve(this.current);
      };
      this.onChange(look);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      look();
    });
  }
}
