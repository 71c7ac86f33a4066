import type { DiskFile } from "../disk/disk.ts";
import { isBase64, isBase64Start } from "./base64.ts";
import { type EntryLines, findLines, isCommitStart } from "./commit-line.ts";
import { isControlLine, parseControlLine } from "./control-line.ts";
import { type ParsedEntry, parseEntry } from "./entry.ts";
import { recordBytesMax } from "./record.ts";

/**
 * Longest write, and so the most that can be behind the last sync: a write ends with the record that takes it over the
 * writer's limit of 4 MiB.
 */
const writeBytesMax = recordBytesMax + 4 * 1024 * 1024;

/** Disks write whole sectors. A larger sector is a multiple of this one. */
const sectorBytes = 512;

const lineEnd = 10;

/**
 * Whether one interrupted write can have left the bytes from `from`, where a record should begin, to `to`, the end of
 * the file. A killed process leaves a prefix of what it was writing. A loss of power may also leave sectors that were
 * never written. On ext4 and XFS these read as zeros.
 */
export async function isUnfinishedEnd(
  file: Pick<DiskFile, "read">,
  from: number,
  to: number,
): Promise<boolean> {
  if (to - from > writeBytesMax) return false;
  const end = Buffer.alloc(to - from);
  await file.read(end, from);
  let zero = end.indexOf(0);
  const first = end.subarray(0, zero < 0 ? end.length : zero);
  while (zero >= 0) {
    const sector = from + zero - ((from + zero) % sectorBytes);
    // A log has no zero bytes. So zeros must begin with a sector, or right at `from`.
    if (from + zero !== Math.max(sector, from)) return false;
    const behind = Math.min(sector + sectorBytes - from, end.length);
    if (end.subarray(zero, behind).some((byte) => byte !== 0)) return false;
    zero = end.indexOf(0, behind);
  }
  return isUnfinished(first);
}

/** Whether the text can be a prefix of a record or control line. */
function isUnfinished(text: Buffer): boolean {
  if (isControlLine(text, 0)) return isUnfinishedControlLine(text);
  let before: ParsedEntry | undefined;
  for (let start = 0; ; ) {
    const lines = findLines(text, start);
    if (lines.commitEnd < 0) return isUnfinishedEntry(text, lines);
    // A complete entry must be good, and more entries must follow.
    const entry = parseEntry(text, lines, false);
    if (entry.kind === "parse-error" || entry.ends > 0) return false;
    if (before !== undefined && (before.seq !== entry.seq || before.epoch !== entry.epoch)) return false;
    before = entry;
    start = entry.end;
  }
}

function isUnfinishedControlLine(text: Buffer): boolean {
  if (text.includes(lineEnd) || text.length > 4096) return false;
  // If all but the last byte is a good line, the last byte should have been a line feed: that is damage.
  if (parseControlLine(text, 0, text.length - 1).kind !== "parse-error") return false;
  return /^!([a-z]+( [!-~]*)*)?$/.test(text.toString("latin1"));
}

function isUnfinishedEntry(text: Buffer, { start, keyEnd, valueEnd }: EntryLines): boolean {
  if (keyEnd < 0) return isBase64Start(text, start, text.length);
  if (!isBase64(text, start, keyEnd)) return false;
  const valueStart = keyEnd + 1;
  const isWhole = valueEnd >= 0;
  const end = isWhole ? valueEnd : text.length;
  const isDash = text.toString("latin1", valueStart, end) === "-";
  if (!isDash && !(isWhole ? isBase64 : isBase64Start)(text, valueStart, end)) return false;
  if (!isWhole) return true;
  // As with a control line: a good entry whose last byte is not a line feed is damage.
  const lines = { start, keyEnd, valueEnd, commitEnd: text.length - 1 };
  if (parseEntry(text, lines, false).kind !== "parse-error") return false;
  return isCommitStart(text, valueEnd + 1);
}
