import type { Acl, Permission } from "../acl.ts";
import type { CreateMode, Stat } from "../znode.ts";
import type { JuteReader, JuteWriter } from "./jute.ts";
import { OP } from "./protocol.ts";

/** Records that several packets have (zookeeper.jute). */

export function readStat(reader: JuteReader): Stat {
  return {
    czxid: reader.long(),
    mzxid: reader.long(),
    ctimeMs: Number(reader.long()),
    mtimeMs: Number(reader.long()),
    version: reader.int(),
    cversion: reader.int(),
    aversion: reader.int(),
    ephemeralOwner: reader.long(),
    dataLength: reader.int(),
    numChildren: reader.int(),
    pzxid: reader.long(),
  };
}

/** The bit of each permission (ZooDefs.Perms). */
const PERMISSION_BITS: Readonly<Record<Permission, number>> = {
  read: 1,
  write: 2,
  create: 4,
  delete: 8,
  admin: 16,
};

export function writeAcl(writer: JuteWriter, acl: readonly Acl[]): void {
  writer.list(acl, ({ permissions, scheme, id }) => {
    const bits = permissions.reduce((sum, permission) => sum | PERMISSION_BITS[permission], 0);
    writer.int(bits).string(scheme).string(id);
  });
}

export function readAcl(reader: JuteReader): Acl[] {
  return reader.list(() => {
    const bits = reader.int();
    const permissions = PERMISSIONS.filter((permission) => bits & PERMISSION_BITS[permission]);
    return { permissions, scheme: reader.string(), id: reader.string() };
  });
}

const PERMISSIONS: readonly Permission[] = ["read", "write", "create", "delete", "admin"];

/** The number of each mode (CreateMode.java). */
const MODE_FLAGS: Readonly<Record<CreateMode, number>> = {
  persistent: 0,
  ephemeral: 1,
  "persistent-sequential": 2,
  "ephemeral-sequential": 3,
  container: 4,
  "persistent-with-ttl": 5,
  "persistent-sequential-with-ttl": 6,
};

export interface CreateRecord {
  readonly path: string;
  readonly data: Uint8Array;
  readonly mode: CreateMode;
  readonly acl: readonly Acl[];
  /** Only with a mode that has a TTL. */
  readonly ttlMs: number | undefined;
}

/** The request that creates a znode of this mode. */
export function createType(mode: CreateMode): number {
  if (mode === "container") return OP.createContainer;
  return mode.endsWith("with-ttl") ? OP.createTtl : OP.create2;
}

export function writeCreate(writer: JuteWriter, { path, data, mode, acl, ttlMs }: CreateRecord): void {
  writer.string(path).bytes(data);
  writeAcl(writer, acl);
  writer.int(MODE_FLAGS[mode]);
  if (ttlMs !== undefined) writer.long(BigInt(ttlMs));
}
