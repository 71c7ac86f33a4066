import type { DiskFile } from "../disk/disk.ts";
import { isBase64, isBase64Start } from "./base64.ts";
import { isCommitStart } from "./commit-line.ts";
import { isControlLine, parseControlLine } from "./control-line.ts";
import { type ParsedEntry, parseEntry } from "./entry.ts";
import { recordBytesMax } from "./record.ts";

/**
 * What is written together ends up to this far behind the end of what was synced: a record that takes the writer over
 * its limit of 4 MiB is the last one of its write.
 */
const writeBytesMax = recordBytesMax + 4 * 1024 * 1024;

/** Disks write whole sectors; a larger one is several of these. */
const sectorBytes = 512;

const lineEnd = 10;

/**
 * Whether one interrupted write can have left what stands from `from`, where a record should begin, to `to`, the end
 * of the file. A kill leaves the beginning of what was to be written. A loss of power may also leave sectors that were
 * never written, which read as zeros: ext4 and XFS show nothing else where no data has arrived.
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
    // No text has zeros, so they begin with the sector, or where nothing of ours was before.
    if (from + zero !== Math.max(sector, from)) return false;
    const behind = Math.min(sector + sectorBytes - from, end.length);
    if (end.subarray(zero, behind).some((byte) => byte !== 0)) return false;
    zero = end.indexOf(0, behind);
  }
  return isUnfinished(first);
}

/** Whether something can be added to the text so that it is a record or a control line. */
function isUnfinished(text: Buffer): boolean {
  if (isControlLine(text, 0)) return isUnfinishedControlLine(text);
  let before: ParsedEntry | undefined;
  for (let start = 0; ; ) {
    const keyEnd = text.indexOf(lineEnd, start);
    const valueEnd = keyEnd < 0 ? -1 : text.indexOf(lineEnd, keyEnd + 1);
    const commitEnd = valueEnd < 0 ? -1 : text.indexOf(lineEnd, valueEnd + 1);
    if (commitEnd < 0) return isUnfinishedEntry(text, start, keyEnd, valueEnd);
    // What is whole must be good, and continued.
    const entry = parseEntry(text, { start, keyEnd, valueEnd, commitEnd }, false);
    if (entry.kind === "parse-error" || entry.ends > 0) return false;
    if (before !== undefined && (before.seq !== entry.seq || before.epoch !== entry.epoch)) return false;
    before = entry;
    start = entry.end;
  }
}

function isUnfinishedControlLine(text: Buffer): boolean {
  if (text.includes(lineEnd) || text.length > 4096) return false;
  // Where the line end belongs stands something else.
  if (parseControlLine(text, 0, text.length - 1).kind !== "parse-error") return false;
  return /^!([a-z]+( [!-~]*)*)?$/.test(text.toString("latin1"));
}

function isUnfinishedEntry(text: Buffer, start: number, keyEnd: number, valueEnd: number): boolean {
  if (keyEnd < 0) return isBase64Start(text, start, text.length);
  if (!isBase64(text, start, keyEnd)) return false;
  const valueStart = keyEnd + 1;
  const isWhole = valueEnd >= 0;
  const end = isWhole ? valueEnd : text.length;
  const isDash = text.toString("latin1", valueStart, end) === "-";
  if (!isDash && !(isWhole ? isBase64 : isBase64Start)(text, valueStart, end)) return false;
  if (!isWhole) return true;
  // As for a control line.
  const lines = { start, keyEnd, valueEnd, commitEnd: text.length - 1 };
  if (parseEntry(text, lines, false).kind !== "parse-error") return false;
  return isCommitStart(text, valueEnd + 1);
}
