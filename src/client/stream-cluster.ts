import type { Clock } from "../common/clock.ts";
import type { Deadlines } from "../common/deadlines.ts";
import type { Deadline } from "./deadline.ts";
import { type RingMoment, unknownRing } from "./positions.ts";
import type { ServerLink } from "./servers.ts";

/** The ring, as a client or router sees it now. */
export interface RingView {
  /** Random id of the cluster. Empty while it is not known. */
  readonly clusterId: string;
  readonly ringVersion: bigint;
  /** See `RingMoment.change`. */
  readonly nextChange: bigint;
  readonly ring: {
    owner(key: string): string | undefined;
    /** Undefined when the key stays where it is until the change under way has ended. */
    moveOf(key: string): object | undefined;
  };
  /** The groups in the ring, by name. */
  readonly groups: { readonly size: number; has(name: string): boolean; keys(): Iterable<string> };
  /** Groups that were removed from the cluster, by name: as many of the last ones as are remembered. */
  readonly removed: ReadonlyMap<string, RemovedGroup>;
  /** Why there are no groups, in words. */
  readonly empty: string;
}

/** A group that was removed. A later one of its name has higher epochs, and takes part in later ring changes only. */
export interface RemovedGroup {
  /** Of the ring with which it was removed. */
  readonly ringVersion: bigint;
  /** Epoch with which its last history began: what an operator has given up before that cannot be gone on from. */
  readonly firstEpoch: bigint;
  readonly lastEpoch: bigint;
}

/** What a stream needs from the ring before it can continue. */
export interface RingSearch<T> {
  /** The result. Undefined: wait for a later view. */
  readonly look: (view: RingView) => T | undefined;
  /** Why a view has no result, in words. */
  readonly missing: (view: RingView) => string;
  readonly deadline: Deadline;
}

/** What streams over groups need of the cluster: a client's, or a router's. */
export interface StreamCluster {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** Undefined before the first one is known. */
  readonly view: RingView | undefined;
  /** The first result, at once or after a change. Errors: KvError `unavailable`, with what is missing. */
  find<T>(search: RingSearch<T>): T | Promise<T>;
  /** Calls `listener` after every change. Returns a function that removes the listener. */
  onView(listener: (view: RingView) => void): () => void;
  /**
   * The server that answers for `group` now. Waits while there is none. `redirected`: the address from another server's
   * redirect. Errors: KvError `unavailable`.
   */
  serverOf(group: string, deadline: Deadline, redirected?: string): ServerLink | Promise<ServerLink>;
  /** Notes that a call at this server failed without an answer from it. */
  failed(server: ServerLink): void;
}

/** The names of the groups in the ring, at least one. */
export function someGroups(view: RingView): readonly string[] | undefined {
  return view.groups.size > 0 ? [...view.groups.keys()] : undefined;
}

/** The moment of a view. */
export function ringOf(view: RingView | undefined): RingMoment {
  return view === undefined ? unknownRing : { version: view.ringVersion, change: view.nextChange };
}

/** The moment of a view for one key. If the key has moved already in the change under way, that change is over for it. */
export function ringOfKey(view: RingView | undefined, key: string): RingMoment {
  const moment = ringOf(view);
  // That of a change which is still to come is higher than the version.
  const isUnderWay = moment.change <= moment.version;
  const isOver = isUnderWay && view?.ring.moveOf(key) === undefined;
  return isOver ? { ...moment, change: moment.change + 1n } : moment;
}
