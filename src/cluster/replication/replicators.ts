import type { Member, NodeView } from "../metadata/model.ts";
import { memberKey } from "./in-sync-set.ts";
import type { Replicator } from "./replicator.ts";

/** One replicator for each of the other nodes that are registered, in its present life. */
export class Replicators {
  readonly #replicate: (node: NodeView) => Replicator;
  readonly #byMember = new Map<string, Replicator>();

  constructor(replicate: (node: NodeView) => Replicator) {
    this.#replicate = replicate;
  }

  of(member: Member): Replicator | undefined {
    return this.#byMember.get(memberKey(member));
  }

  all(): Replicator[] {
    return [...this.#byMember.values()];
  }

  /** Takes in who is registered now. */
  update(nodes: readonly NodeView[]): void {
    const live = new Map(nodes.map((node) => [memberKey(node), node]));
    for (const [key, replicator] of this.#byMember) {
      if (live.has(key)) continue;
      replicator.stop();
      this.#byMember.delete(key);
    }
    for (const [key, node] of live) {
      if (!this.#byMember.has(key)) this.#byMember.set(key, this.#replicate(node));
    }
  }

  /** There is something to send. */
  wake(): void {
    for (const replicator of this.#byMember.values()) replicator.wake();
  }
}
