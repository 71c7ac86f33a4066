import { Buffer } from "node:buffer";
import crc32 from "crc-32";
import { asBuffer } from "../../common/as-buffer.ts";
import { CoordinationError } from "../coordination.ts";
import { type Change, Tree, type Znode } from "./tree.ts";

/**
 * The text of the state file. Each line is the CRC-32 of the rest of the line in 8 hexadecimal digits, a space, and
 * JSON: first a header, then the persistent znodes of the time when the file was written, then one line for each group
 * of changes since.
 */
interface Header {
  readonly kvlab: "coordination";
  readonly format: 1;
  readonly zxid: number;
  /** Number of the lines with znodes that follow. */
  readonly znodes: number;
}

interface ZnodeLine {
  readonly path: string;
  /** In base64, like all data. */
  readonly data: string;
  readonly czxid: number;
  readonly version: number;
  readonly childrenMade: number;
  readonly writer?: string;
}

type ChangeEntry =
  | { readonly create: string; readonly data: string; readonly owner?: string; readonly writer?: string }
  | { readonly set: string; readonly data: string }
  | { readonly delete: string };

/** Changes with consecutive zxids after `zxid`. */
interface ChangesLine {
  readonly zxid: number;
  readonly changes: readonly ChangeEntry[];
}

const LF = 0x0a;
const CRC_LENGTH = 9;

/** The text of a new file with the persistent znodes of `tree`. */
export function stateText(tree: Tree): Buffer {
  const znodes = [...tree.persistent()].map(([path, znode]) => line(znodeLine(path, znode)));
  const header: Header = { kvlab: "coordination", format: 1, zxid: tree.zxid, znodes: znodes.length };
  return Buffer.concat([line(header), ...znodes]);
}

/** The line for consecutive changes. */
export function changesLine(changes: readonly [Change, ...Change[]]): Buffer {
  const content: ChangesLine = { zxid: changes[0].zxid, changes: changes.map(changeEntry) };
  return line(content);
}

/**
 * Reads a state file. An unreadable end comes from an interrupted write that was never acknowledged, and is left out;
 * `tornBytes` is its length. Ephemeral znodes are left out, because their sessions are gone. Errors: SYSTEM with the
 * line, when anything else is damaged.
 */
export function parseState(bytes: Buffer, file: string): { tree: Tree; tornBytes: number } {
  const { lines, tornBytes } = goodLines(bytes, file);
  // A line with the right checksum was written by this module, so that its content has the types above.
  const header = lines[0] as Header | undefined;
  if (header?.kvlab !== "coordination" || header.format !== 1) {
    throw damage(file, 1, "it is not the header of a coordination state file of format 1");
  }
  const tree = new Tree();
  for (let i = 1; i <= header.znodes; i++) {
    const content = lines[i] as ZnodeLine | undefined;
    if (content === undefined) throw damage(file, i + 1, `line 1 announces ${header.znodes} znodes`);
    tree.restore(content.path, restoredZnode(content, header.zxid));
  }
  tree.skipTo(header.zxid);
  const owners = new Set<string>();
  for (let i = header.znodes + 1; i < lines.length; i++) {
    const content = lines[i] as ChangesLine;
    if (content.zxid !== tree.zxid + 1) {
      throw damage(file, i + 1, `it begins with change ${content.zxid}, not ${tree.zxid + 1}`);
    }
    for (const entry of content.changes) {
      const change = changeFrom(entry, tree.zxid + 1);
      if (change.kind === "create" && change.owner !== undefined) owners.add(change.owner);
      // An ephemeral znode of the time when the file was written is not in it: its later changes are of no more use.
      if (change.kind !== "create" && tree.find(change.path) === undefined) tree.skipTo(change.zxid);
      else tree.apply(change);
    }
  }
  for (const owner of owners) tree.endSession(owner);
  return { tree, tornBytes };
}

function goodLines(bytes: Buffer, file: string): { lines: unknown[]; tornBytes: number } {
  const lines: unknown[] = [];
  let torn: { line: number; start: number } | undefined;
  for (let start = 0, number = 1; start < bytes.length; number++) {
    const lineEnd = bytes.indexOf(LF, start);
    const content = lineEnd === -1 ? undefined : parseLine(bytes.subarray(start, lineEnd));
    if (content === undefined) torn ??= { line: number, start };
    else if (torn === undefined) lines.push(content);
    else throw damage(file, torn.line, `there are good lines after it, such as line ${number}`);
    start = lineEnd === -1 ? bytes.length : lineEnd + 1;
  }
  return { lines, tornBytes: torn === undefined ? 0 : bytes.length - torn.start };
}

function parseLine(bytes: Buffer): unknown {
  const json = bytes.subarray(CRC_LENGTH);
  if (bytes.toString("latin1", 0, CRC_LENGTH) !== checksum(json)) return undefined;
  return JSON.parse(json.toString("utf8"));
}

function line(content: Header | ZnodeLine | ChangesLine): Buffer {
  const json = Buffer.from(JSON.stringify(content));
  return Buffer.concat([Buffer.from(checksum(json)), json, Buffer.of(LF)]);
}

function checksum(json: Buffer): string {
  return `${(crc32.buf(json) >>> 0).toString(16).padStart(8, "0")} `;
}

function znodeLine(path: string, znode: Znode): ZnodeLine {
  const { czxid, version, childrenMade, writer } = znode;
  return {
    path,
    data: base64(znode.data),
    czxid,
    version,
    childrenMade,
    ...(writer === undefined ? {} : { writer }),
  };
}

function restoredZnode(content: ZnodeLine, zxid: number): Znode {
  const { czxid, version, childrenMade, writer } = content;
  return {
    data: fromBase64(content.data),
    owner: undefined,
    writer,
    czxid,
    // Only sessions of before the start need these, and there are none.
    mzxid: zxid,
    pzxid: zxid,
    version,
    children: new Set(),
    childrenMade,
  };
}

function changeEntry(change: Change): ChangeEntry {
  if (change.kind === "delete") return { delete: change.path };
  const data = base64(change.data);
  if (change.kind === "set") return { set: change.path, data };
  const { owner, writer } = change;
  return {
    create: change.path,
    data,
    ...(owner === undefined ? {} : { owner }),
    ...(writer === undefined ? {} : { writer }),
  };
}

function changeFrom(entry: ChangeEntry, zxid: number): Change {
  if ("delete" in entry) return { kind: "delete", zxid, path: entry.delete };
  const data = fromBase64(entry.data);
  if ("set" in entry) return { kind: "set", zxid, path: entry.set, data };
  return { kind: "create", zxid, path: entry.create, data, owner: entry.owner, writer: entry.writer };
}

function base64(data: Uint8Array): string {
  return asBuffer(data).toString("base64");
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}

function damage(file: string, line: number, why: string): CoordinationError {
  return new CoordinationError("SYSTEM", `${file}: line ${line} is damaged: ${why}`);
}
