import { type Clock, withTimeout } from "../../common/clock.ts";
import { shownKey } from "../../common/shown-key.ts";
import type { KeyGuard, KeyUse, ServedKeys } from "../kv/key-guard.ts";
import type { KvStateMachine } from "../kv/kv-state-machine.ts";
import type { RingState } from "../metadata/model.ts";
import { OperationError, type Owner } from "../metadata/operation-error.ts";
import type { TopologySource } from "../metadata/topology.ts";
import { mayHaveStrays } from "../move/forget-keys.ts";
import type { ChangingRing, Move } from "../ring/changing-ring.ts";
import { ownerOf, placementOf, primaryOf } from "../ring/placement.ts";
import type { KeyView } from "../storage/key-view.ts";

/** Longest wait of a call for the ring to say who has the keys that this group has given away. */
const handOverMsMax = 5000;

export interface OwnershipOptions {
  readonly group: string;
  readonly topology: TopologySource;
  /** Says what moves have done to the log, whether this node has heard of them or not. */
  readonly keys: Pick<KeyView, "moves" | "hasCopies">;
  readonly clock: Clock;
  /** The state machine of the group's keys. Undefined while this node is not the primary. */
  readonly machine: () => KvStateMachine | undefined;
  /** Set while no writes of the keys of a move are taken: see `MoveSource.sealed`. */
  readonly sealed: (move: Move) => Promise<void> | undefined;
  /** Marks the ring as written to: see `RingFreeze`. */
  readonly freezeRing: () => Promise<void>;
  /** Aborted when the node stops. */
  readonly signal: AbortSignal;
}

/** Whether this group serves a key: `given`, but nobody has it yet; `sealed`: reads only. */
type Standing = "served" | "sealed" | "given" | "elsewhere";

/**
 * Decides whether this node serves a key, by its view of the ring and by the marks of moves in its log. The marks count
 * more: with an old view, a node must not serve what its group has given away.
 */
export class Ownership implements KeyGuard {
  readonly #options: OwnershipOptions;
  /** All calls that wait for the same change of the ring. */
  #handOver: { readonly version: number; readonly over: Promise<void> } | undefined;

  constructor(options: OwnershipOptions) {
    this.#options = options;
  }

  /** The state machine, which checks itself that it serves the key. Errors: wrong-node, unavailable. */
  ofKey(key: string): KvStateMachine {
    const machine = this.#options.machine();
    if (machine !== undefined) return machine;
    const view = this.#options.topology.current;
    const owner = view && ownerOf(view, key);
    if (owner === undefined) throw notYet();
    throw owner.group === this.#options.group ? this.#notPrimary(owner) : elsewhere(key, owner);
  }

  /**
   * The state machine, once the ring is marked as written to. Errors: those of `ofKey`, and before the first write also
   * those of `check`.
   */
  async forWrite(keys: readonly string[]): Promise<KvStateMachine> {
    const [first = ""] = keys;
    const machine = this.ofKey(first);
    if (this.#ring.written) return machine;
    this.check(keys, "write");
    try {
      await this.#options.freezeRing();
    } catch (error) {
      throw new OperationError("unavailable", "the ring could not be marked as written to", { cause: error });
    }
    return this.ofKey(first);
  }

  /** The state machine that serves the whole group. Errors: wrong-node, unavailable. */
  ofGroup(): KvStateMachine {
    const { group, topology } = this.#options;
    const machine = this.#options.machine();
    if (machine !== undefined) return machine;
    const view = topology.current;
    if (view?.ring === undefined) throw notYet();
    const address = primaryOf(view.groups.get(group))?.address;
    throw this.#notPrimary({ group, address, ringVersion: view.ring.value.version });
  }

  check(keys: Iterable<string>, use: KeyUse): Promise<void> | undefined {
    const ring = this.#ring;
    const placement = placementOf(ring);
    let served: string | undefined;
    for (const key of keys) {
      switch (this.#standing(ring, placement, key)) {
        case "elsewhere":
          throw this.#elsewhere(key, served);
        case "given":
          return this.#handedOver(ring.version);
        case "sealed": {
          const move = placement.moveOf(key);
          if (use === "write" && move !== undefined) return this.#options.sealed(move);
        }
      }
      served ??= key;
    }
    return undefined;
  }

  get hasLeft(): boolean {
    const { group, topology, keys } = this.#options;
    const ring = topology.current?.ring?.value;
    if (ring === undefined || ring.version < keys.moves.change) return false;
    return !ring.groups.includes(group) && !ring.change?.groups.includes(group);
  }

  takesWrites(key: string): boolean {
    const ring = this.#ring;
    return this.#standing(ring, placementOf(ring), key) === "served";
  }

  served(): ServedKeys | Promise<void> {
    const { group, keys } = this.#options;
    const ring = this.#ring;
    const placement = placementOf(ring);
    const isGiving = placement.moves().some((move) => move.from === group && this.#isGiven(ring, move));
    if (isGiving) return this.#handedOver(ring.version);
    // Without moves all keys of the log are shown, also those of the original program that the ring places elsewhere.
    const isPure = ring.change === undefined && !mayHaveStrays(keys);
    return { ringVersion: ring.version, has: (key) => isPure || placement.owner(key) === group };
  }

  /** The ring, if this node knows enough of it to serve keys by it. Errors: unavailable. */
  get #ring(): RingState {
    const ring = this.#options.topology.current?.ring?.value;
    if (ring === undefined || ring.groups.length === 0) throw notYet();
    const { change } = this.#options.keys.moves;
    if (ring.version < change) {
      throw new OperationError(
        "unavailable",
        `this node has seen version ${ring.version} of the ring; its log has taken part in a change of version ${change}`,
      );
    }
    return ring;
  }

  #standing(ring: RingState, placement: ChangingRing, key: string): Standing {
    if (placement.owner(key) !== this.#options.group) return "elsewhere";
    if (ring.change === undefined) return "served";
    const move = placement.moveOf(key);
    if (move === undefined) return "served";
    if (this.#isGiven(ring, move)) return "given";
    return this.#options.sealed(move) === undefined ? "served" : "sealed";
  }

  /** Whether this group has released the keys of a move that `/ring` does not have as done. */
  #isGiven(ring: RingState, move: Move): boolean {
    const { change, released } = this.#options.keys.moves;
    return ring.change?.id === change && released.has(move.to);
  }

  /** Resolves when this node sees a later ring. Errors: unavailable. */
  #handedOver(version: number): Promise<void> {
    if (this.#handOver?.version === version) return this.#handOver.over;
    const { topology, clock, signal } = this.#options;
    const over = withTimeout(clock, handOverMsMax, signal, async (given) => {
      await topology.waitUntil(({ ring }) => (ring?.value.version ?? 0) > version, given);
    })
      .catch((error: unknown) => {
        const message = "the key changes hands, and its next group has not taken it over yet";
        throw new OperationError("unavailable", message, { cause: error });
      })
      .finally(() => {
        this.#handOver = undefined;
      });
    // Its callers may all have gone.
    over.catch(() => {});
    this.#handOver = { version, over };
    return over;
  }

  /** `served`: another key of the same call, which is here. */
  #elsewhere(key: string, served: string | undefined): OperationError {
    const view = this.#options.topology.current;
    const owner = view && ownerOf(view, key);
    if (owner === undefined) return notYet();
    if (served === undefined) return elsewhere(key, owner);
    return new OperationError(
      "invalid",
      `keys ${shownKey(served)} and ${shownKey(key)} belong to the groups "${this.#options.group}" and "${owner.group}"; ` +
        "the keys of a batch must have the same {tag}",
    );
  }

  #notPrimary(owner: Owner): OperationError {
    const message = `this node is not the primary of group "${this.#options.group}"`;
    return new OperationError("wrong-node", message, { owner });
  }
}

function elsewhere(key: string, owner: Owner): OperationError {
  return new OperationError("wrong-node", `key ${shownKey(key)} belongs to group "${owner.group}"`, {
    owner,
  });
}

function notYet(): OperationError {
  return new OperationError("unavailable", "this node has not seen a ring with groups yet");
}
