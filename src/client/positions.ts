import { messageOf } from "../common/message-of.ts";
import { KvError } from "./errors.ts";

/** Up to where the changes of one group are known. */
export interface Position {
  readonly revision: bigint;
  /** Epoch of this revision. 0 when it is not known. */
  readonly epoch: bigint;
  /** Up to where an earlier group of the name was told, which was removed since. */
  readonly removed?: Position | undefined;
}

/** A moment of the ring. */
export interface RingMoment {
  readonly version: bigint;
  /** Id of the change that was under way then, or the least that the next one can have. */
  readonly change: bigint;
}

/** It is not known which groups there were. */
export const unknownRing: RingMoment = { version: 0n, change: 0n };

/** Up to where the changes of each group are known. */
export interface Positions {
  /** Id of the cluster. Empty when the router was of an earlier version. */
  readonly cluster: string;
  /** Other groups than those that are there had no keys at this moment. */
  readonly ring: RingMoment;
  /** The only key whose groups are named. Undefined: all groups are. */
  readonly key?: string | undefined;
  /** By the group's name. */
  readonly groups: ReadonlyMap<string, Position>;
}

/** The positions, with another one for a group. */
export function after(positions: Positions, group: string, position: Position | undefined): Positions {
  if (position === undefined) return positions;
  return { ...positions, groups: new Map(positions.groups).set(group, position) };
}

/** Version 1 had no cluster id, and version 2 no version of the ring. */
const version = 3;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Encodes positions as a token: opaque to users, versioned, of A-Z, a-z, 0-9, - and _. */
export function tokenOf({ cluster, ring, key, groups: positions }: Positions): string {
  // Clients of earlier versions do not read the removed group's place, nor the key.
  const groups = [...positions].map(([name, place]) => [
    name,
    ...numbersOf(place),
    ...numbersOf(place.removed),
  ]);
  const scope = [`${ring.version}`, `${ring.change}`, ...(key === undefined ? [] : [key])];
  const bytes = encoder.encode(JSON.stringify([version, cluster, scope, ...groups]));
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Decodes a token. Errors: KvError `invalid`. */
export function positionsOf(token: string): Positions {
  try {
    const binary = atob(token.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    const [found, ...rest]: unknown[] = JSON.parse(decoder.decode(bytes));
    if (found !== 1 && found !== 2 && found !== version) {
      throw new Error(`its version is ${found}; this client knows up to ${version}`);
    }
    const cluster = found === 1 ? "" : text(rest.shift());
    const scope = found === version ? scopeOf(rest.shift()) : { ring: unknownRing };
    const groups = new Map(rest.map(entryOf));
    if (groups.size < rest.length) throw new Error("it names a group twice");
    return { cluster, ...scope, groups };
  } catch (cause) {
    throw new KvError("invalid", `this is no token of a watch or scan: ${messageOf(cause)}`, { cause });
  }
}

function scopeOf(scope: unknown): Pick<Positions, "ring" | "key"> {
  if (!Array.isArray(scope)) throw new Error("a version of the ring is no list");
  const [version, change, key] = scope;
  const ring = { version: count(version), change: count(change) };
  return key === undefined ? { ring } : { ring, key: text(key) };
}

function numbersOf(place: Position | undefined): string[] {
  return place === undefined ? [] : [`${place.revision}`, `${place.epoch}`];
}

function entryOf(entry: unknown): [string, Position] {
  if (!Array.isArray(entry)) throw new Error("a position is no list");
  const [name, revision, epoch, ...removed] = entry;
  const place = { revision: count(revision), epoch: count(epoch) };
  if (removed.length === 0) return [text(name), place];
  return [text(name), { ...place, removed: { revision: count(removed[0]), epoch: count(removed[1]) } }];
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new Error("a name is no text");
}

function count(value: unknown): bigint {
  if (typeof value === "string" && /^\d{1,20}$/.test(value)) {
    const number = BigInt(value);
    if (number < 2n ** 64n) return number;
  }
  throw new Error("a position is no number below 2^64");
}
