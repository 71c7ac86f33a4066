import type { KvStateMachine } from "../kv/kv-state-machine.ts";
import type { RingState } from "../metadata/model.ts";
import { OperationError, type Owner } from "../metadata/operation-error.ts";
import type { TopologySource } from "../metadata/topology.ts";
import { ownerOf, primaryOf } from "../ring/placement.ts";

export interface OwnershipOptions {
  readonly group: string;
  readonly topology: TopologySource;
  /** The state machine of the group's keys. Undefined while this node is not the primary. */
  readonly machine: () => KvStateMachine | undefined;
  /** Marks the ring as written to: see `RingFreeze`. */
  readonly freezeRing: () => Promise<void>;
}

/** Decides whether this node serves a key, by its view of the cluster. */
export class Ownership {
  readonly #options: OwnershipOptions;

  constructor(options: OwnershipOptions) {
    this.#options = options;
  }

  /** The state machine that serves a key. Errors: wrong-node, unavailable. */
  ofKey(key: string): KvStateMachine {
    return this.#placeOf(key).machine;
  }

  /** The state machine that takes writes of keys. Errors: invalid (keys of several groups), and those of `ofKey`. */
  async forWrite(keys: readonly string[]): Promise<KvStateMachine> {
    const { machine, ring } = this.#placeOfAll(keys);
    if (ring.written) return machine;
    try {
      await this.#options.freezeRing();
    } catch (error) {
      throw new OperationError("unavailable", "the ring could not be marked as written to", { cause: error });
    }
    return this.#placeOfAll(keys).machine;
  }

  /** The state machine that serves the whole group, and the version of the ring. Errors: wrong-node, unavailable. */
  ofGroup(): { readonly machine: KvStateMachine; readonly ringVersion: number } {
    const { group, topology } = this.#options;
    const machine = this.#options.machine();
    const view = topology.current;
    if (machine !== undefined) return { machine, ringVersion: view?.ring?.value.version ?? 0 };
    if (view?.ring === undefined) throw notYet();
    const address = primaryOf(view.groups.get(group))?.address;
    throw this.#notPrimary({ group, address, ringVersion: view.ring.value.version });
  }

  #placeOfAll(keys: readonly string[]): { machine: KvStateMachine; ring: RingState } {
    const [first = "", ...others] = keys;
    const place = this.#placeOf(first);
    const topology = this.#options.topology.current;
    for (const key of others) {
      const owner = topology && ownerOf(topology, key);
      if (owner === undefined || owner.group === this.#options.group) continue;
      throw new OperationError(
        "invalid",
        `keys ${shown(first)} and ${shown(key)} belong to the groups "${this.#options.group}" and "${owner.group}"; ` +
          "the keys of a batch must have the same {tag}",
      );
    }
    return place;
  }

  #placeOf(key: string): { machine: KvStateMachine; ring: RingState } {
    const { group, topology } = this.#options;
    const view = topology.current;
    const owner = view && ownerOf(view, key);
    const ring = view?.ring?.value;
    if (owner === undefined || ring === undefined) throw notYet();
    if (owner.group !== group) {
      throw new OperationError("wrong-node", `key ${shown(key)} belongs to group "${owner.group}"`, {
        owner,
      });
    }
    const machine = this.#options.machine();
    if (machine === undefined) throw this.#notPrimary(owner);
    return { machine, ring };
  }

  #notPrimary(owner: Owner): OperationError {
    return new OperationError(
      "wrong-node",
      `this node is not the primary of group "${this.#options.group}"`,
      {
        owner,
      },
    );
  }
}

function notYet(): OperationError {
  return new OperationError("unavailable", "this node has not seen a ring with groups yet");
}

function shown(key: string): string {
  return JSON.stringify(key.length > 64 ? `${key.slice(0, 64)}…` : key);
}
