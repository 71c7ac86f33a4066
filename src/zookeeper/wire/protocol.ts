import type { ZnodeEventType } from "../watch-event.ts";
import { type JuteReader, JuteWriter, ProtocolError } from "./jute.ts";

/** Numbers and packets of ZooKeeper's client protocol (ZooDefs.java, zookeeper.jute). */

export const OP = {
  /** In a multi; alone, create2 says more. */
  create: 1,
  delete: 2,
  exists: 3,
  get: 4,
  set: 5,
  getAcl: 6,
  setAcl: 7,
  /** Names only. */
  children: 8,
  sync: 9,
  ping: 11,
  /** Names and stat. */
  children2: 12,
  check: 13,
  multi: 14,
  /** Answers with the stat, too; ZooKeeper 3.5 and later. */
  create2: 15,
  reconfig: 16,
  removeWatches: 18,
  createContainer: 19,
  createTtl: 21,
  multiRead: 22,
  auth: 100,
  setWatches: 101,
  ephemerals: 103,
  allChildrenCount: 104,
  /** With persistent watches; ZooKeeper 3.6 and later. */
  setWatches2: 105,
  addWatch: 106,
  whoAmI: 107,
  closeSession: -11,
  /** Marks an error among the results of a multi. */
  error: -1,
} as const;

/** Ids of packets that belong to no operation. Those of operations are positive. */
export const XID = { event: -1, ping: -2, auth: -4, setWatches: -8 } as const;

export interface ConnectRequest {
  /** The newest transaction that this session has seen. A server that is behind it must not accept the session. */
  readonly lastZxid: bigint;
  readonly timeoutMs: number;
  /** 0 asks for a new session. */
  readonly sessionId: bigint;
  readonly password: Uint8Array;
  /** Whether a server that has no majority, and so only reads, may accept the session. */
  readonly readOnly: boolean;
}

export function connectRequest(request: ConnectRequest): Buffer {
  const { lastZxid, timeoutMs, sessionId, password, readOnly } = request;
  const protocolVersion = 0;
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
  /** Whether the server only reads. */
  readonly readOnly: boolean;
}

export function readConnectResponse(reader: JuteReader): ConnectResponse {
  const protocolVersion = reader.int();
  const [timeoutMs, sessionId] = [reader.int(), reader.long()];
  const password = reader.bytes();
  // Servers before 3.4 omit the last field.
  const readOnly = reader.remaining > 0 && reader.bool();
  if (protocolVersion !== 0 || password.length !== 16 || reader.remaining > 0) {
    throw new ProtocolError("no answer to a ConnectRequest");
  }
  return { timeoutMs, sessionId, password, readOnly };
}

/** A packet with the header of a request. Its fields are still to be written. */
export function requestWriter(xid: number, type: number): JuteWriter {
  return new JuteWriter().int(xid).int(type);
}

export interface ReplyHeader {
  readonly xid: number;
  readonly zxid: bigint;
  /** 0 for success, else see `serverError`. */
  readonly error: number;
}

export function readReplyHeader(reader: JuteReader): ReplyHeader {
  return { xid: reader.int(), zxid: reader.long(), error: reader.int() };
}

/** An identity of a session: `digest` with `user:password`, or another scheme that the servers know. */
export interface Credentials {
  readonly scheme: string;
  readonly auth: Uint8Array;
}

/** Gives the connection the rights of an identity. */
export function authRequest({ scheme, auth }: Credentials): Buffer {
  return requestWriter(XID.auth, OP.auth).int(0).string(scheme).bytes(auth).packet();
}

/** The number of each event (Watcher.Event.EventType). */
const EVENTS: Readonly<Record<number, ZnodeEventType>> = {
  1: "created",
  2: "deleted",
  3: "changed",
  4: "children",
};

/** The event of a watch, with the path on the server. Undefined for events that no watch here is about. */
export function readEvent(reader: JuteReader): { type: ZnodeEventType; path: string } | undefined {
  const type = EVENTS[reader.int()];
  reader.int(); // state of the session, which we know
  return type && { type, path: reader.string() };
}
