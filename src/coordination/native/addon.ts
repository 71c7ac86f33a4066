import type { Buffer } from "node:buffer";
import process from "node:process";
import { CoordinationError } from "../coordination.ts";

/** A znode's stat from the npm package `zookeeper`. Transaction ids are exact below 2^53. */
export interface NativeStat {
  readonly czxid: number;
  readonly mzxid: number;
  readonly pzxid: number;
  readonly version: number;
  readonly numChildren: number;
  /** Session id in hexadecimal; "0" if the znode is not ephemeral. */
  readonly ephemeralOwner: string;
  readonly createdInThisSession: boolean;
}

/** Called once with a code (0 for success) and its text. Further values are null after an error. */
export type Answer<Values extends unknown[]> = (code: number, text: string, ...values: Values) => void;

/**
 * The part of the package's client that is used here. Each `a_` method returns a code; `answer` is called only after 0.
 */
export interface NativeClient {
  readonly state: number;
  /** The session time-out that was negotiated, in milliseconds. */
  readonly timeout: number;
  readonly client_id: string;
  readonly client_password: string;
  init(options: object): void;
  /** Ends the session if there is a connection. Blocks for up to 4.5 s when the server does not answer. */
  close(): void;
  on(event: "connect" | "connecting", listener: () => void): void;
  on(event: "close", listener: (client: unknown, code: number) => void): void;
  on(
    event: "created" | "deleted" | "changed" | "child",
    listener: (client: unknown, path: string) => void,
  ): void;
  add_auth(scheme: string, auth: string, answer: Answer<[]>): number;
  a_create(path: string, data: Buffer, flags: number, answer: Answer<[path: string]>): number;
  a_exists(path: string, watch: boolean, answer: Answer<[stat: NativeStat | null]>): number;
  a_get(path: string, watch: boolean, answer: Answer<[stat: NativeStat | null, data: Buffer | null]>): number;
  a_get_children2(
    path: string,
    watch: boolean,
    answer: Answer<[names: string[] | null, stat: NativeStat | null]>,
  ): number;
  a_set(path: string, data: Buffer, version: number, answer: Answer<[stat: NativeStat | null]>): number;
  a_delete_(path: string, version: number, answer: Answer<[]>): number;
  a_set_acl(path: string, version: number, acl: readonly Acl[], answer: Answer<[]>): number;
  a_sync(path: string, answer: Answer<[path: string]>): number;
}

export interface Acl {
  readonly perms: number;
  readonly scheme: string;
  readonly auth: string;
}

export type NativeClientClass = new (options: {
  /** `address:port`. */
  connect: string;
  /** Of the session, in milliseconds. */
  timeout: number;
  debug_level: number;
  response_counter_limit: number;
  client_id?: string;
  client_password?: string;
}) => NativeClient;

/** States of the C client (zookeeper.h). */
export const STATE = { connecting: 1, associating: 2 } as const;

/** The code of `close` when the server has ended the session. */
export const EXPIRED = -112;

/** Bits of the flags of a new znode (zookeeper.h). */
export const FLAG = { ephemeral: 1, sequential: 2 } as const;

/** Everybody may read; holders of the session's credentials may do everything (zookeeper.h). */
export const CREATOR_WRITES: readonly Acl[] = [
  { perms: 1, scheme: "world", auth: "anyone" },
  { perms: 31, scheme: "auth", auth: "" },
];

/** Loads the package. Errors: BAD_ARGUMENTS where it cannot run or is not installed. */
export async function loadNativeClient(): Promise<NativeClientClass> {
  const other = ["bun", "deno"].find((runtime) => process.versions[runtime] !== undefined);
  if (other !== undefined) {
    const message = `zkdriver=native runs on Node.js only, and this is ${other}; zkdriver=wire runs everywhere`;
    throw new CoordinationError("BAD_ARGUMENTS", message);
  }
  try {
    const { default: client } = await import("zookeeper");
    return client as unknown as NativeClientClass;
  } catch (cause) {
    const message =
      "zkdriver=native needs the npm package zookeeper, which cannot be loaded: npm install zookeeper, " +
      `or use zkdriver=wire (${cause instanceof Error ? cause.message : cause})`;
    throw new CoordinationError("BAD_ARGUMENTS", message, { cause });
  }
}
