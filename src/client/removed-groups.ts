import { KvError } from "./errors.ts";
import type { Position } from "./positions.ts";
import type { RemovedGroup, RingView } from "./stream-cluster.ts";

/**
 * What one watch has been told of groups that were removed since. Nobody can be asked what else they have told. But the
 * groups that have taken their keys say up to which of their revisions there were changes of these.
 */
export class RemovedGroups {
  readonly #view: () => RingView | undefined;

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
    const isOfLater = !this.includes(group, place) && place.removed === undefined;
    return isOfLater && this.isRemovedSince(group, ringChange);
  }

  /** The place of a watch after an answer. In a later group it keeps the place in the removed one. */
  after(group: string, before: Position | undefined, { revision, epoch }: Position): Position {
    const next = { revision, epoch, removed: before?.removed };
    // The beginning of an empty log has no epoch: it is not known of which group of the name it is.
    if (before === undefined || before.revision === 0n || !this.includes(group, before)) return next;
    if (!this.includes(group, next)) {
      return { ...next, removed: { revision: before.revision, epoch: before.epoch } };
    }
    // A later group that is empty has no epoch yet. It is told from its beginning after the earlier place, too.
    return revision < before.revision ? before : next;
  }

  /** Whether a watch at this place was told of a removed group up to a revision, or at all. */
  isTold(group: string, place: Position | undefined, revision = 0n): boolean {
    const removed = this.#removed(group);
    if (removed === undefined || place === undefined) return false;
    const told = this.includes(group, place) ? place : place.removed;
    return told !== undefined && told.revision >= revision && isOfHistory(removed, told);
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
