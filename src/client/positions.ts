import { KvError } from "./errors.ts";

/** How far one group's changes are known. */
export interface Position {
  readonly revision: bigint;
  /** Epoch in which this revision was the last; 0 when that is not known. */
  readonly epoch: bigint;
}

/** How far each group's changes are known. */
export interface Positions {
  /** Id of the cluster; empty where a router of an earlier version told. */
  readonly cluster: string;
  /** By the group's name. */
  readonly groups: ReadonlyMap<string, Position>;
}

/** Version 1 did not name the cluster. */
const version = 2;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** A token that stands for positions: opaque to users, of A-Z, a-z, 0-9, - and _, and versioned. */
export function tokenOf({ cluster, groups: positions }: Positions): string {
  const groups = [...positions].map(([name, { revision, epoch }]) => [name, `${revision}`, `${epoch}`]);
  const bytes = encoder.encode(JSON.stringify([version, cluster, ...groups]));
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The positions that a token stands for. Throws `invalid` for what is no token. */
export function positionsOf(token: string): Positions {
  try {
    const binary = atob(token.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    const [found, ...rest]: unknown[] = JSON.parse(decoder.decode(bytes));
    if (found !== 1 && found !== version) {
      throw new Error(`its version is ${found}; this client knows up to ${version}`);
    }
    const cluster = found === 1 ? "" : text(rest.shift());
    return { cluster, groups: new Map(rest.map(entryOf)) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KvError("invalid", `this is no token of a watch or scan: ${why}`, { cause });
  }
}

function entryOf(entry: unknown): [string, Position] {
  if (!Array.isArray(entry)) throw new Error("a position is no list");
  return [text(entry[0]), { revision: count(entry[1]), epoch: count(entry[2]) }];
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new Error("a name is no text");
}

function count(value: unknown): bigint {
  if (typeof value === "string" && /^\d{1,20}$/.test(value)) return BigInt(value);
  throw new Error("a position is no number");
}
