import { anObject, anything, bytes, type Kind, oneOf, text } from "../../common/option-kinds.ts";
import { type Acl, aclKind, openAcl } from "../acl.ts";
import { checkArgument, checkOptions } from "../check.ts";
import { versionKind } from "../options.ts";
import { addChroot, checkPath, stripChroot } from "../paths.ts";
import { serverError } from "../wire/error-codes.ts";
import { type JuteReader, type JuteWriter, ProtocolError } from "../wire/jute.ts";
import type { Operation } from "../wire/operation.ts";
import { OP } from "../wire/protocol.ts";
import { createType, readStat, writeCreate } from "../wire/records.ts";
import { type CreateMode, createModes, isSequential, type Stat } from "../znode.ts";
import { checkDeletable, checkTtl } from "./writes.ts";

/** One of several operations that are carried out together or not at all. */
export type MultiOperation =
  | {
      readonly type: "create";
      readonly path: string;
      readonly data?: Uint8Array;
      /** Default: persistent. */
      readonly mode?: CreateMode;
      /** Default: that of the client. */
      readonly acl?: readonly Acl[];
      readonly ttlMs?: number;
    }
  /** Without a version, any will do. */
  | { readonly type: "set"; readonly path: string; readonly data: Uint8Array; readonly version?: number }
  | { readonly type: "delete"; readonly path: string; readonly version?: number }
  /** Only checks that the znode exists, and its version. */
  | { readonly type: "check"; readonly path: string; readonly version?: number };

/** The result of an operation. */
export type MultiResult =
  | { readonly type: "create"; readonly path: string }
  | { readonly type: "set"; readonly stat: Stat }
  | { readonly type: "delete" }
  | { readonly type: "check" };

/** In a failed multi, the error of the operations after the failed one. */
const NOT_TRIED = -2;

const OPERATION_KINDS: Readonly<Record<MultiOperation["type"], Readonly<Record<string, Kind>>>> = {
  create: { type: text, path: text, data: bytes, mode: oneOf(createModes), acl: aclKind, ttlMs: anything },
  set: { type: text, path: text, data: bytes, version: versionKind },
  delete: { type: text, path: text, version: versionKind },
  check: { type: text, path: text, version: versionKind },
};

const typeKind = oneOf(Object.keys(OPERATION_KINDS));

/** Errors: BAD_ARGUMENTS. */
export function multiOperation(
  chroot: string,
  operations: readonly MultiOperation[],
  defaultAcl: readonly Acl[] = openAcl,
): Operation<MultiResult[]> {
  for (const [index, operation] of operations.entries()) check(`operation ${index} of multi`, operation);
  return {
    type: OP.multi,
    name: "multi",
    path: "/",
    effect: operations.some(({ type }) => type !== "check") ? "write" : "read",
    write: (writer) => writeMulti(writer, operations, chroot, defaultAcl),
    read: (reader) => readMulti(reader, operations, chroot),
  };
}

function check(what: string, operation: MultiOperation): void {
  checkArgument(what, operation, anObject);
  const { type, path } = operation;
  checkArgument(`the type of ${what}`, type, typeKind);
  checkOptions(what, operation, OPERATION_KINDS[type]);
  if (type === "set") checkArgument(`the data of ${what}`, operation.data, bytes);
  const mode = (type === "create" && operation.mode) || "persistent";
  checkPath(path, isSequential(mode));
  if (type === "delete") checkDeletable(path);
  if (type === "create") checkTtl(path, { mode, ttlMs: operation.ttlMs });
}

/** MultiTransactionRecord.java: each operation has a header (type, whether it is the end, error) in front. */
function writeMulti(
  writer: JuteWriter,
  operations: readonly MultiOperation[],
  chroot: string,
  defaultAcl: readonly Acl[],
): void {
  for (const operation of operations) {
    writer.int(typeOf(operation)).bool(false).int(-1);
    if (operation.type === "create") {
      const { data = new Uint8Array(), mode = "persistent", acl = defaultAcl, ttlMs } = operation;
      const path = addChroot(chroot, operation.path, isSequential(mode));
      writeCreate(writer, { path, data, mode, acl, ttlMs });
    } else {
      const { version = -1 } = operation;
      writer.string(addChroot(chroot, operation.path));
      if (operation.type === "set") writer.bytes(operation.data);
      writer.int(version);
    }
  }
  writer.int(-1).bool(true).int(-1);
}

/** MultiResponse.java. Errors: a ZooKeeperError when the operations were not carried out; ProtocolError. */
function readMulti(reader: JuteReader, operations: readonly MultiOperation[], chroot: string): MultiResult[] {
  const results: MultiResult[] = [];
  for (const [index, operation] of operations.entries()) {
    const { type, path } = operation;
    const resultType = reader.int();
    reader.bool();
    reader.int();
    if (resultType === OP.error) {
      const error = reader.int();
      // Those before the failed one have 0, as they were undone.
      if (error === 0 || error === NOT_TRIED) continue;
      throw serverError(error, `multi: operation ${index}, ${type}`, path, { index });
    }
    if (!isResultOf(operation, resultType)) {
      throw new ProtocolError(`a result of type ${resultType} for ${type}`);
    }
    if (type === "create") {
      results.push({ type, path: stripChroot(chroot, reader.string()) });
      if (resultType !== OP.create) readStat(reader);
    } else if (type === "set") results.push({ type, stat: readStat(reader) });
    else results.push({ type });
  }
  if (results.length < operations.length) {
    throw new ProtocolError(`${results.length} results and no error for ${operations.length} operations`);
  }
  return results;
}

function typeOf(operation: MultiOperation): number {
  if (operation.type !== "create") return OP[operation.type];
  const type = createType(operation.mode ?? "persistent");
  // In a multi, servers answer no stat for it.
  return type === OP.create2 ? OP.create : type;
}

/** Servers answer a container or a TTL as create2. */
function isResultOf(operation: MultiOperation, resultType: number): boolean {
  const type = typeOf(operation);
  return resultType === type || (operation.type === "create" && resultType === OP.create2);
}
