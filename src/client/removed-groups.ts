import { KvError } from "./errors.ts";
import type { Position } from "./positions.ts";
import type { RemovedGroup, RingView } from "./stream-cluster.ts";

/**
 * What one watch has been told of groups that were removed since. Nobody can be asked what else they have told. But the
 * groups that have taken their keys say up to which of their revisions there were changes of these.
 */
export class RemovedGroups {
  readonly #view: () => RingView | undefined;
  /** Up to where they were told: a later group of the name may have its own place by now. */
  readonly #told = new Map<string, Position>();

  constructor(view: () => RingView | undefined) {
    this.#view = view;
  }

  /** Whether a position is of a group that was removed, and not of a later one of its name. */
  includes(group: string, position: Position): boolean {
    const removed = this.#removed(group);
    return removed !== undefined && position.epoch <= removed.lastEpoch;
  }

  /** Whether a group of this name was removed after this version of the ring. So it was the one in a change of this id. */
  isRemovedSince(group: string, ringVersion: bigint): boolean {
    const removed = this.#removed(group);
    return removed !== undefined && removed.ringVersion > ringVersion;
  }

  /**
   * Whether the watch has to do with a later group alone, and not with the removed one of a ring change. Then its token was
   * made by a scan of the keys where they are now, or by a watch that had been told all that the removed group had to tell.
   */
  isUnseen(group: string, ringChange: bigint, place: Position): boolean {
    return this.isRemovedSince(group, ringChange) && !this.includes(group, place) && !this.#told.has(group);
  }

  /** Notes up to where a removed group was told. */
  note(group: string, position: Position): void {
    this.#told.set(group, position);
  }

  /** Whether a removed group was told up to a revision, or at all. */
  isTold(group: string, revision = 0n): boolean {
    const removed = this.#removed(group);
    const told = this.#told.get(group);
    return (
      removed !== undefined && told !== undefined && told.revision >= revision && isOfHistory(removed, told)
    );
  }

  /** What came after a place in a removed group is not there any more. */
  lost(group: string): KvError {
    return new KvError(
      "history-lost",
      `group "${group}" was removed from the cluster, and not all that it had to tell was told before`,
    );
  }

  #removed(group: string): RemovedGroup | undefined {
    return this.#view()?.removed.get(group);
  }
}

/** Whether a place is of the history that the group had last. The empty log has no epoch, and is the beginning of each. */
function isOfHistory({ firstEpoch }: RemovedGroup, { epoch }: Position): boolean {
  return epoch === 0n || epoch >= firstEpoch;
}
