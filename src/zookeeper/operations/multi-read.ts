import { type Kinds, oneOf, text } from "../../common/option-kinds.ts";
import { checkArgument, checkOptions } from "../check.ts";
import type { ZooKeeperError } from "../errors.ts";
import { addChroot, checkPath } from "../paths.ts";
import { serverError } from "../wire/error-codes.ts";
import { type JuteReader, ProtocolError } from "../wire/jute.ts";
import type { Operation } from "../wire/operation.ts";
import { OP } from "../wire/protocol.ts";
import type { Stat } from "../znode.ts";
import { readDataAndStat, readNames } from "./reads.ts";

/** One of several reads that show the same moment. */
export interface MultiRead {
  readonly type: "get" | "children";
  readonly path: string;
}

/** The result of a read. One that fails leaves the others as they are. */
export type MultiReadResult =
  | { readonly type: "get"; readonly data: Uint8Array; readonly stat: Stat }
  | { readonly type: "children"; readonly children: string[] }
  | { readonly type: "error"; readonly error: ZooKeeperError };

const readKinds: Kinds<MultiRead> = { type: oneOf(["get", "children"]), path: text };

/** Errors: BAD_ARGUMENTS. */
export function multiReadOperation(
  chroot: string,
  reads: readonly MultiRead[],
): Operation<MultiReadResult[]> {
  for (const [index, read] of reads.entries()) {
    const what = `read ${index} of multiRead`;
    checkOptions(what, read, readKinds);
    checkArgument(`the type of ${what}`, read.type, readKinds.type);
    checkPath(read.path);
  }
  return {
    type: OP.multiRead,
    name: "multiRead",
    path: "/",
    effect: "read",
    write(writer) {
      for (const { type, path } of reads) {
        // Multi reads know no watches.
        writer.int(OP[type]).bool(false).int(-1).string(addChroot(chroot, path)).bool(false);
      }
      writer.int(-1).bool(true).int(-1);
    },
    read: (reader) => reads.map((read, index) => readResult(reader, read, index)),
  };
}

function readResult(reader: JuteReader, { type, path }: MultiRead, index: number): MultiReadResult {
  const resultType = reader.int();
  reader.bool();
  reader.int();
  if (resultType === OP.error) {
    const error = serverError(reader.int(), `multiRead: read ${index}, ${type}`, path, { index });
    return { type: "error", error };
  }
  if (resultType !== OP[type]) throw new ProtocolError(`a result of type ${resultType} for ${type}`);
  return type === "get" ? { type, ...readDataAndStat(reader) } : { type, children: readNames(reader) };
}
