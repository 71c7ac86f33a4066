import type { Watch } from "../watches/session-watches.ts";
import { OP, requestWriter, XID } from "./protocol.ts";

/** Kinds in the order of the fields of SetWatches2 (zookeeper.jute). SetWatches ends after the third. */
const KINDS = ["data", "exists", "children", "persistent", "persistent-recursive"] as const;

type WatchKind = Watch["kind"];

/** Servers accept packets of 1 MiB unless configured otherwise. ZooKeeper's own client splits at the same size. */
const SET_WATCHES_BYTES_MAX = 128 * 1024;

/**
 * The packets that set watches on a connection. The server at once fires those of one-shot kinds whose znode has changed
 * after `lastZxid`. Servers before 3.6 have no persistent watches, and are sent no packet that they do not know as long as
 * there are none.
 */
export function setWatchesRequests(
  lastZxid: bigint,
  pathsOf: (kind: WatchKind) => readonly string[],
): Buffer[] {
  const batches: Record<WatchKind, string[]>[] = [];
  let bytesLeft = 0;
  // Servers before 3.9 keep one watch for a path, the last: so the persistent kinds come last, and survive.
  for (const kind of KINDS) {
    for (const path of pathsOf(kind)) {
      const bytes = 4 + Buffer.byteLength(path);
      if (bytes > bytesLeft) {
        batches.push({ data: [], exists: [], children: [], persistent: [], "persistent-recursive": [] });
        bytesLeft = SET_WATCHES_BYTES_MAX;
      }
      bytesLeft -= bytes;
      batches.at(-1)?.[kind].push(path);
    }
  }
  const isPersistent = KINDS.slice(3).some((kind) => pathsOf(kind).length > 0);
  return batches.map((batch) => {
    const writer = requestWriter(XID.setWatches, isPersistent ? OP.setWatches2 : OP.setWatches).long(
      lastZxid,
    );
    for (const kind of isPersistent ? KINDS : KINDS.slice(0, 3)) {
      writer.list(batch[kind], (path) => writer.string(path));
    }
    return writer.packet();
  });
}
