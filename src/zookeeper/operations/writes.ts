import type { Acl } from "../acl.ts";
import { ZooKeeperError } from "../errors.ts";
import { addChroot, stripChroot } from "../paths.ts";
import type { Operation } from "../wire/operation.ts";
import { OP } from "../wire/protocol.ts";
import { createType, readStat, writeAcl, writeCreate } from "../wire/records.ts";
import { type CreateMode, isSequential, type Stat } from "../znode.ts";

/** Requests that change one znode. Paths are below `chroot`. */

/** What a new znode is to be. */
export interface CreateArguments {
  readonly data: Uint8Array;
  readonly mode: CreateMode;
  readonly acl: readonly Acl[];
  /** With a mode that has a TTL, and only then. */
  readonly ttlMs?: number | undefined;
}

/** A znode that was created. */
export interface Created {
  /** With the number that a sequential mode appends. */
  readonly path: string;
  readonly stat: Stat;
}

/** The longest time to live: 2 ** 40 - 1 ms, nearly 35 years (EphemeralType.java). */
const TTL_MS_MAX = 2 ** 40 - 1;

export function createOperation(chroot: string, path: string, what: CreateArguments): Operation<Created> {
  checkTtl(path, what);
  const { mode, ttlMs } = what;
  const sequential = isSequential(mode);
  return {
    type: createType(mode),
    name: "create",
    path,
    effect: sequential ? "write" : "conditional",
    write: (writer) => writeCreate(writer, { ...what, path: addChroot(chroot, path, sequential), ttlMs }),
    read: (reader) => ({ path: stripChroot(chroot, reader.string()), stat: readStat(reader) }),
  };
}

/** Refuses a TTL that does not fit the mode. Errors: BAD_ARGUMENTS. */
export function checkTtl(path: string, { mode, ttlMs }: Omit<CreateArguments, "data" | "acl">): void {
  const hasTtl = mode.endsWith("with-ttl");
  if (!hasTtl && ttlMs === undefined) return;
  if (hasTtl && ttlMs !== undefined && Number.isInteger(ttlMs) && ttlMs >= 1 && ttlMs <= TTL_MS_MAX) return;
  const allowed = hasTtl ? `a whole number of milliseconds from 1 to ${TTL_MS_MAX}` : "none in this mode";
  const message = `create ${path}: in mode ${mode}, ttlMs is ${ttlMs}; allowed: ${allowed}`;
  throw new ZooKeeperError("BAD_ARGUMENTS", message, { path });
}

export function setOperation(
  chroot: string,
  path: string,
  data: Uint8Array,
  version: number,
): Operation<Stat> {
  return {
    type: OP.set,
    name: "set",
    path,
    effect: effectOf(version),
    write: (writer) => writer.string(addChroot(chroot, path)).bytes(data).int(version),
    read: readStat,
  };
}

export function deleteOperation(chroot: string, path: string, version: number): Operation<void> {
  checkDeletable(path);
  return {
    type: OP.delete,
    name: "delete",
    path,
    effect: effectOf(version),
    write: (writer) => writer.string(addChroot(chroot, path)).int(version),
    read() {},
  };
}

/** With a chroot, deleting the root would delete the chroot. Errors: BAD_ARGUMENTS. */
export function checkDeletable(path: string): void {
  if (path !== "/") return;
  throw new ZooKeeperError("BAD_ARGUMENTS", "delete /: the root cannot be deleted", { path });
}

export function setAclOperation(
  chroot: string,
  path: string,
  acl: readonly Acl[],
  version: number,
): Operation<Stat> {
  return {
    type: OP.setAcl,
    name: "setAcl",
    path,
    effect: effectOf(version),
    write: (writer) => {
      writer.string(addChroot(chroot, path));
      writeAcl(writer, acl);
      writer.int(version);
    },
    read: readStat,
  };
}

/** -1 stands for any version. */
function effectOf(version: number): "conditional" | "write" {
  return version === -1 ? "write" : "conditional";
}
