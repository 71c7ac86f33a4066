import type { Access, CreateMode, Stat } from "../coordination.ts";
import { addChroot, stripChroot } from "../paths.ts";
import { type JuteReader, type JuteWriter, ProtocolError } from "./jute.ts";
import { errorOf, OP, readStat, writeCreate } from "./protocol.ts";

/** One of several operations that are carried out together or not at all. */
export type MultiOperation =
  | {
      readonly type: "create";
      readonly path: string;
      readonly data: Uint8Array;
      readonly mode: CreateMode;
      readonly access?: Access;
    }
  | { readonly type: "set"; readonly path: string; readonly data: Uint8Array; readonly version: number }
  | { readonly type: "delete"; readonly path: string; readonly version: number }
  /** Only checks the version. */
  | { readonly type: "check"; readonly path: string; readonly version: number };

/** The result of an operation: the path of a `create`, the stat of a `set`. */
export interface MultiResult {
  readonly path?: string;
  readonly stat?: Stat;
}

/** In a failed multi, the error of the operations after the failed one. */
const NOT_TRIED = -2;

/** MultiTransactionRecord.java: each operation has a header (type, whether it is the end, error) in front. */
export function writeMulti(writer: JuteWriter, operations: readonly MultiOperation[], chroot: string): void {
  for (const operation of operations) {
    writer.int(OP[operation.type]).bool(false).int(-1);
    const path = addChroot(chroot, operation.path);
    if (operation.type === "create") {
      writeCreate(writer, { access: "open", ...operation, path });
    } else if (operation.type === "set") writer.string(path).bytes(operation.data).int(operation.version);
    else writer.string(path).int(operation.version);
  }
  writer.int(-1).bool(true).int(-1);
}

/** MultiResponse.java. Errors: a CoordinationError when the operations were not carried out. */
export function readMulti(
  reader: JuteReader,
  operations: readonly MultiOperation[],
  chroot: string,
  sessionId: bigint,
): MultiResult[] {
  const results: MultiResult[] = [];
  for (const { type, path } of operations) {
    const resultType = reader.int();
    reader.bool();
    reader.int();
    if (resultType === OP.error) {
      const error = reader.int();
      if (error !== 0 && error !== NOT_TRIED) throw errorOf(error, `multi: ${type}`, path);
      results.push({});
    } else if (resultType !== OP[type]) throw new ProtocolError(`a result of type ${resultType} for ${type}`);
    else if (type === "create") results.push({ path: stripChroot(chroot, reader.string()) });
    else if (type === "set") results.push({ stat: readStat(reader, sessionId) });
    else results.push({});
  }
  return results;
}
