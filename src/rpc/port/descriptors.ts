/** The limit of open files and sockets of this process. Connections must leave some for everything else. */

import { readdirSync, readFileSync } from "node:fs";

/**
 * Descriptors reserved for later: rewritten logs, links to other nodes and to ZooKeeper, and connections about to be
 * closed.
 */
const reserved = 48;

/** Fewer connections than this are of no use. */
const connectionsMin = 8;

/** Open connections of all listeners of this process. */
let connections = 0;

/** How each listener makes room. */
const makers = new Set<() => boolean>();

/** Adds a listener that can make room by closing a connection. Returns a function to call when it ends. */
export function shareDescriptors(makeRoom: () => boolean): () => void {
  makers.add(makeRoom);
  return () => void makers.delete(makeRoom);
}

/** Makes some listener tell a client without calls to go. Returns whether there was one. */
export function makeRoomAnywhere(): boolean {
  return [...makers].some((makeRoom) => makeRoom());
}

/** Counts a connection. Returns a function to call when it closes. */
export function countConnection(): () => void {
  connections++;
  return () => {
    connections--;
  };
}

/**
 * How many more connections this process may accept under the system's limit. Undefined where the limit is unknown.
 */
export function connectionsLeft(): number | undefined {
  const limit = descriptorsMax();
  return limit === undefined ? undefined : limit.forConnections - connections;
}

let known: { readonly max: number; readonly forConnections: number } | undefined;

/** Reads the limit once, when the first listener starts: it does not change. */
export function descriptorsMax(): typeof known {
  known ??= look();
  return known;
}

/** Only Linux reports it. Node and Bun raise the limit as far as they may when they start. */
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
