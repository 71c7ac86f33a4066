import type { GroupState, GroupView, Member } from "../metadata/model.ts";
import { OperationError } from "../metadata/operation-error.ts";
import type { Position } from "../storage/model.ts";
import { comparePositions } from "./positions.ts";
import { isLive } from "./promotion.ts";

/** A live replica, and where its log ends. */
export interface Survivor extends Member {
  readonly position: Position;
}

/** What gives a group a primary again, at a price. */
export interface Recovery {
  readonly next: GroupState;
  readonly primary: Survivor;
  /** What may be lost with it, in words. */
  readonly loss: string;
}

/**
 * Chooses, for a group whose in-sync replicas are all gone, the survivor that has most of the log. `floor`: up to where
 * the group is known to have acknowledged.
 * Errors: refused (an in-sync replica is live; there is no survivor).
 */
export function planRecovery(group: GroupView, survivors: readonly Survivor[], floor: Position): Recovery {
  const { name, state } = group;
  if (state === undefined)
    throw new OperationError("refused", `group "${name}" has no state yet: there is nothing to recover`);
  const { epoch, inSync } = state.value;
  const live = inSync.find((member) => isLive(group, member));
  if (live !== undefined) {
    throw new OperationError(
      "refused",
      `node ${live.number} of group "${name}" is in sync and live: nothing needs to be lost`,
    );
  }
  const [primary] = [...survivors].sort(
    (a, b) => comparePositions(b.position, a.position) || a.number - b.number,
  );
  if (primary === undefined) {
    throw new OperationError("refused", `group "${name}" has no live node with a log that could be used`);
  }
  const gone = inSync.map(({ number }) => number).join(", ");
  const { number, incarnation, position } = primary;
  const member = { number, incarnation };
  return {
    next: { epoch: epoch + 1, primary: member, inSync: [member] },
    primary,
    loss:
      `node ${number} has the log of group "${name}" up to record ${position.seq} of epoch ${position.epoch}; ` +
      `every write that was acknowledged after that is on node ${gone} alone, and is lost: ` +
      (comparePositions(position, floor) < 0
        ? `there were such, up to record ${floor.seq} of epoch ${floor.epoch} at least`
        : "none is known of, but those of the last seconds before the group stopped would not be"),
  };
}
