import { addChroot } from "../paths.ts";
import type { PersistentKind, RemovedWatches, Watch } from "../watches/session-watches.ts";
import type { Operation } from "../wire/operation.ts";
import { OP } from "../wire/protocol.ts";

/** Requests about watches that belong to no read. */

/** The number of each mode (AddWatchMode.java). */
const MODES: Readonly<Record<PersistentKind, number>> = { persistent: 0, "persistent-recursive": 1 };

/** The number of each type (Watcher.WatcherType). */
const TYPES: Readonly<Record<RemovedWatches, number>> = { children: 1, data: 2, any: 3 };

/** Sets a watch of this kind at the server, and, with `watch`, here. */
export function addWatchOperation(
  chroot: string,
  path: string,
  kind: PersistentKind,
  watch?: Watch,
): Operation<void> {
  return {
    type: OP.addWatch,
    name: "addWatch",
    path,
    effect: "read",
    watch,
    write: (writer) => writer.string(addChroot(chroot, path)).int(MODES[kind]),
    read() {},
  };
}

export function removeWatchesOperation(chroot: string, path: string, type: RemovedWatches): Operation<void> {
  return {
    type: OP.removeWatches,
    name: "removeWatches",
    path,
    effect: "read",
    write: (writer) => writer.string(addChroot(chroot, path)).int(TYPES[type]),
    read() {},
  };
}
