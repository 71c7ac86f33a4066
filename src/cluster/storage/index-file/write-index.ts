import type { DiskFile } from "../disk/disk.ts";
import { summaryAt } from "../index/request-table.ts";
import type { LogState } from "../state.ts";
import { entriesMax, type IndexBegin, indexPaths, KeyRows, toJson } from "./contents.ts";
import { FrameWriter } from "./frames.ts";

/** How it goes on. */
export interface Pace {
  /** Throws when it is to be given up. */
  check(): void;
  /** Waits between two frames, so that others get their turn: a small write does not wait for anything. */
  rest(): Promise<void>;
}

/**
 * Writes the index file of the log, while that goes on: some keys in each turn, as they are in that turn. So what it
 * says of records after its beginning is a mixture; but all of these are in the part of the log that is read again, and
 * say last what becomes of their keys. And all of it is true only of a log that has what the log has at the end.
 *
 * When it is given up, and after an error, the index file is what it was.
 */
export async function writeIndex(state: LogState, pace: Pace): Promise<void> {
  const { disk, dbfile } = state.options;
  const { path, draft } = indexPaths(dbfile);
  const { check } = pace;
  const { file } = state;
  const target = await disk.open(draft, "create", dbfile);
  let isOpen = true;
  try {
    const fileId = (await disk.look(dbfile))?.fileId ?? "";
    check();
    const written = await writeFrames(state, target, fileId, pace);
    isOpen = false;
    await target.close();
    check();
    await disk.rename(draft, path);
    file.indexed = written;
  } catch (error) {
    if (isOpen) await target.close();
    await disk.remove(draft);
    throw error;
  }
}

async function writeFrames(state: LogState, target: DiskFile, fileId: string, { check, rest }: Pace) {
  const { file, positions, requests, keys } = state;
  const frames = new FrameWriter(target);
  const { visible: at } = positions;
  const begin = beginOf(state, fileId);
  const offsets = file.offsets.upTo(at.seq);
  const answered = requests.upTo(at.seq);
  await frames.add("begin", toJson(begin));
  for (let from = 0; from < offsets.length; from += entriesMax) {
    if (from > 0) await rest();
    check();
    await frames.add("offsets", toJson(offsets.slice(from, from + entriesMax)));
  }
  for (let from = 0; from < answered.length; from += entriesMax) {
    if (from > 0) await rest();
    check();
    await frames.add("requests", toJson(answered.slice(from, from + entriesMax)));
  }
  const rows = new KeyRows();
  let count = 0;
  let last: string | undefined;
  do {
    check();
    rows.clear();
    for (const key of keys.order.ascending(last ?? "", last === undefined)) {
      rows.add(key, keys.index);
      last = key;
      if (rows.isFull) break;
    }
    count += rows.count;
    if (rows.count > 0) await frames.add("keys", rows.content);
    if (rows.isFull) await rest();
  } while (rows.isFull);
  check();
  const { endBytes: logBytes, checksum: logChecksum } = file;
  await frames.add("end", toJson({ logBytes, logChecksum, keys: count }));
  await frames.sync();
  return { logBytes, indexBytes: frames.bytes };
}

function beginOf(state: LogState, fileId: string): IndexBegin {
  const { file, positions, forgottenRequests: forgotten, tail, keys } = state;
  const { visible: at, durable, base, epochs, moves, promisedOnDisk } = positions;
  return {
    file: fileId,
    at,
    from: at.seq < durable.seq ? (tail.at(at.seq + 1)?.offset ?? 0) : file.endBytes,
    base,
    epochs: epochs.filter(({ firstSeq }) => firstSeq <= at.seq),
    moves: moves.upTo(at.seq).toJSON(),
    promisedEpoch: promisedOnDisk,
    life: file.life?.toString(),
    frameBytes: file.frameBytes,
    forgotten: { ...forgotten, requestsAfter: summaryAt(at.seq, moves, forgotten).requestsAfter },
    keys: keys.index.size,
  };
}
