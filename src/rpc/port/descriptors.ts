/** How many files and sockets this process may have open: whoever takes connections must leave some for the rest. */

import { readdirSync, readFileSync } from "node:fs";

/**
 * Kept for what is opened later: logs that are rewritten, the links to other nodes and to ZooKeeper, and connections that
 * are about to be closed.
 */
const reserved = 48;

/** Fewer connections than this are of no use. */
const connectionsMin = 8;

/** Connections that all listeners of this process have open. */
let connections = 0;

/** How each listener makes room. */
const makers = new Set<() => boolean>();

/** Adds a listener, which may be asked to close a connection. Returns what is to be called when it ends. */
export function shareDescriptors(makeRoom: () => boolean): () => void {
  makers.add(makeRoom);
  return () => void makers.delete(makeRoom);
}

/** Has some listener tell a connection without calls to go. Returns whether there is one. */
export function makeRoomAnywhere(): boolean {
  return [...makers].some((makeRoom) => makeRoom());
}

/** Counts a connection. Returns what is to be called when it is closed. */
export function countConnection(): () => void {
  connections++;
  return () => {
    connections--;
  };
}

/** How many more connections this process may take, by the limit that the system sets; undefined where it tells none. */
export function connectionsLeft(): number | undefined {
  const limit = descriptorsMax();
  return limit === undefined ? undefined : limit.forConnections - connections;
}

let known: { readonly max: number; readonly forConnections: number } | undefined;

/** Looks once, when the first listener starts: the limit does not change. */
export function descriptorsMax(): typeof known {
  known ??= look();
  return known;
}

/** Only Linux tells. Node and Bun raise the limit as far as they may when they start. */
function look(): typeof known {
  try {
    const [, text = ""] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    if (text === "") return undefined;
    const max = Number(text);
    const open = readdirSync("/proc/self/fd").length;
    return { max, forConnections: Math.max(connectionsMin, max - open - reserved) };
  } catch {
    return undefined;
  }
}
