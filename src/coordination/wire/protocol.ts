import {
  type Access,
  CoordinationError,
  type CoordinationErrorCode,
  type CreateMode,
  type Stat,
} from "../coordination.ts";
import type { WatchKind, ZnodeEvent } from "../watches.ts";
import { type JuteReader, JuteWriter, ProtocolError } from "./jute.ts";

/** Numbers and records of ZooKeeper's client protocol (ZooDefs.java, KeeperException.java, zookeeper.jute). */

export const OP = {
  create: 1,
  delete: 2,
  exists: 3,
  get: 4,
  set: 5,
  children: 8,
  sync: 9,
  ping: 11,
  check: 13,
  multi: 14,
  auth: 100,
  setWatches: 101,
  closeSession: -11,
  /** Marks an error among the results of a multi. */
  error: -1,
} as const;

/** Ids of packets that belong to no operation. Those of operations are positive. */
export const XID = { event: -1, ping: -2, auth: -4, setWatches: -8 } as const;

const NO_NODE = -101;

const ERRORS: Readonly<Record<number, readonly [CoordinationErrorCode, string]>> = {
  [-4]: ["CONNECTION_LOSS", "the server lost its own connection"],
  [-7]: ["CONNECTION_LOSS", "the server gave up waiting"],
  [-8]: ["BAD_ARGUMENTS", "ZooKeeper refuses its arguments"],
  [NO_NODE]: ["NO_NODE", "there is no such znode"],
  [-102]: ["NO_AUTH", "its ACL forbids it to these credentials"],
  [-103]: ["BAD_VERSION", "its version is another"],
  [-108]: ["NO_CHILDREN_FOR_EPHEMERALS", "an ephemeral znode has no children"],
  [-110]: ["NODE_EXISTS", "there is such a znode"],
  [-111]: ["NOT_EMPTY", "it has children"],
  [-112]: ["SESSION_EXPIRED", "the session has expired"],
  [-114]: ["BAD_ARGUMENTS", "a session without credentials can keep no znode to itself"],
  [-115]: ["AUTH_FAILED", "the credentials are refused"],
  [-118]: ["CONNECTION_LOSS", "the session has moved to another server"],
};

/** The error of the code in a reply. */
export function errorOf(number: number, operation: string, path: string): CoordinationError {
  const [code, text] = ERRORS[number] ?? ["SYSTEM", `ZooKeeper answers error ${number}`];
  return new CoordinationError(code, `${operation} ${path}: ${text}`, { path });
}

export const isNoNode = (error: number): boolean => error === NO_NODE;

export interface ConnectRequest {
  /** The newest transaction that this session has seen. A server that is behind it must not accept the session. */
  readonly lastZxid: bigint;
  readonly timeoutMs: number;
  /** 0 asks for a new session. */
  readonly sessionId: bigint;
  readonly password: Uint8Array;
}

export function connectRequest({ lastZxid, timeoutMs, sessionId, password }: ConnectRequest): Buffer {
  const [protocolVersion, readOnly] = [0, false];
  return new JuteWriter()
    .int(protocolVersion)
    .long(lastZxid)
    .int(timeoutMs)
    .long(sessionId)
    .bytes(password)
    .bool(readOnly)
    .packet();
}

export interface ConnectResponse {
  /** 0, with a session id of 0, when the session has expired. */
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Uint8Array;
}

export function readConnectResponse(reader: JuteReader): ConnectResponse {
  const protocolVersion = reader.int();
  const [timeoutMs, sessionId] = [reader.int(), reader.long()];
  const password = reader.bytes();
  // Servers before 3.4 omit the last field. It says whether the server is read-only, which is never requested here.
  const readOnly = reader.remaining > 0 && reader.bool();
  if (protocolVersion !== 0 || password.length !== 16 || readOnly || reader.remaining > 0) {
    throw new ProtocolError("no answer to a ConnectRequest");
  }
  return { timeoutMs, sessionId, password };
}

/** A packet with the header of a request. Its fields are still to be written. */
export function requestWriter(xid: number, type: number): JuteWriter {
  return new JuteWriter().int(xid).int(type);
}

export interface ReplyHeader {
  readonly xid: number;
  readonly zxid: bigint;
  /** 0 for success, else see `errorOf`. */
  readonly error: number;
}

export function readReplyHeader(reader: JuteReader): ReplyHeader {
  return { xid: reader.int(), zxid: reader.long(), error: reader.int() };
}

/** The stat of a znode, as the session `sessionId` sees it. */
export function readStat(reader: JuteReader, sessionId: bigint): Stat {
  const czxid = reader.long();
  reader.long(); // mzxid
  reader.long(); // ctime
  reader.long(); // mtime
  const version = reader.int();
  reader.int(); // cversion
  reader.int(); // aversion
  const owner = reader.long();
  reader.int(); // dataLength
  const childCount = reader.int();
  reader.long(); // pzxid
  return { czxid: `${czxid}`, version, ephemeral: owner !== 0n, own: owner === sessionId, childCount };
}

const MODE_FLAGS: Readonly<Record<CreateMode, number>> = {
  persistent: 0,
  ephemeral: 1,
  "persistent-sequential": 2,
  "ephemeral-sequential": 3,
};

const [READ, ALL] = [1, 31];
const ACLS: Readonly<Record<Access, readonly (readonly [perms: number, scheme: string, id: string])[]>> = {
  open: [[ALL, "world", "anyone"]],
  "creator-writes": [
    [READ, "world", "anyone"],
    [ALL, "auth", ""],
  ],
};

export function writeCreate(
  writer: JuteWriter,
  { path, data, mode, access }: { path: string; data: Uint8Array; mode: CreateMode; access: Access },
): void {
  writer.string(path).bytes(data);
  writer.list(ACLS[access], ([perms, scheme, id]) => writer.int(perms).string(scheme).string(id));
  writer.int(MODE_FLAGS[mode]);
}

/** Gives the connection the rights of digest credentials `user:password`. */
export function authRequest(credentials: string): Buffer {
  return requestWriter(XID.auth, OP.auth).int(0).string("digest").bytes(Buffer.from(credentials)).packet();
}

const EVENTS: Readonly<Record<number, ZnodeEvent>> = {
  1: "created",
  2: "deleted",
  3: "changed",
  4: "children",
};

/** The event of a watch. Undefined for events that no watch here is about. */
export function readEvent(reader: JuteReader): { event: ZnodeEvent; path: string } | undefined {
  const event = EVENTS[reader.int()];
  reader.int(); // state of the session, which we know
  return event && { event, path: reader.string() };
}

/** Servers accept packets of 1 MiB unless configured otherwise. ZooKeeper's own client splits at the same size. */
const SET_WATCHES_BYTES_MAX = 128 * 1024;

/**
 * The packets that set watches on a connection. The server at once fires those whose znode has changed after
 * `lastZxid`.
 */
export function setWatchesRequests(
  lastZxid: bigint,
  paths: Readonly<Record<WatchKind, readonly string[]>>,
): Buffer[] {
  const batches: Record<WatchKind, string[]>[] = [];
  let bytesLeft = 0;
  for (const kind of ["data", "exists", "children"] as const) {
    for (const path of paths[kind]) {
      const bytes = 4 + Buffer.byteLength(path);
      if (bytes > bytesLeft) {
        batches.push({ data: [], exists: [], children: [] });
        bytesLeft = SET_WATCHES_BYTES_MAX;
      }
      bytesLeft -= bytes;
      batches.at(-1)?.[kind].push(path);
    }
  }
  return batches.map(({ data, exists, children }) => {
    const writer = requestWriter(XID.setWatches, OP.setWatches).long(lastZxid);
    for (const list of [data, exists, children]) writer.list(list, (path) => writer.string(path));
    return writer.packet();
  });
}
