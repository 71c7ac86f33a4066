import type { KeysTaken } from "../../gen/kvlab/v1/data_pb.ts";
import { after, type Positions } from "./positions.ts";

/**
 * Moves the beginnings of a watch from now on, so that it has no gap: groups answer at different times, and a group may have
 * changed keys before it answered that another one had not yet given away when that answered. `takenBefore`: which keys
 * each group had taken where it begins.
 */
export function withoutGaps(
  begun: Positions,
  takenBefore: ReadonlyMap<string, readonly KeysTaken[]>,
): Positions {
  let positions = begun;
  for (let isClosed = false; !isClosed; ) {
    isClosed = true;
    for (const [group, taken] of takenBefore) {
      const place = positions.groups.get(group);
      const revision = firstMissed(positions, taken);
      if (place === undefined || revision === undefined || place.revision <= revision) continue;
      positions = after(positions, group, { revision, epoch: 0n });
      isClosed = false;
    }
  }
  return positions;
}

/** After which revision a group has changed keys that another one still had where the watch of that begins. */
function firstMissed({ groups }: Positions, taken: readonly KeysTaken[]): bigint | undefined {
  const missed = taken.filter(({ from, revision }) => {
    const position = groups.get(from);
    return position !== undefined && position.revision < revision;
  });
  return missed.map(({ afterRevision = 0n }) => afterRevision).sort((a, b) => (a < b ? -1 : 1))[0];
}
