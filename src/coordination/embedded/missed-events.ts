import type { MissedEvent, WatchTable } from "../watches.ts";
import type { Znode } from "./tree.ts";

/**
 * The events that a session's watches missed, found as ZooKeeper finds them when a client sets its watches again
 * (DataTree.setWatches). `seenZxid` is the last transaction that the session knows of.
 */
export function missedEvents(
  watches: WatchTable,
  find: (path: string) => Znode | undefined,
  seenZxid: number,
): MissedEvent[] {
  const missed: MissedEvent[] = [];
  for (const path of watches.paths("data")) {
    const znode = find(path);
    if (znode === undefined) missed.push(["deleted", path]);
    else if (znode.mzxid > seenZxid) missed.push(["changed", path]);
  }
  for (const path of watches.paths("exists")) {
    if (find(path) !== undefined) missed.push(["created", path]);
  }
  for (const path of watches.paths("children")) {
    const znode = find(path);
    if (znode === undefined) missed.push(["deleted", path]);
    else if (znode.pzxid > seenZxid) missed.push(["children", path]);
  }
  return missed;
}
