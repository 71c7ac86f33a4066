import type { Disk } from "../../src/cluster/storage/disk/disk.ts";
import type { LogStore } from "../../src/cluster/storage/log-store.ts";
import type { Change, LogRecord } from "../../src/cluster/storage/model.ts";
import { openLog } from "../../src/cluster/storage/open.ts";
import type { LogOptions } from "../../src/cluster/storage/options.ts";
import { type Clock, systemClock } from "../../src/common/clock.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

export const dbfile = "/data/db.txt";
export const rbfile = "/data/rollback.txt";

export function put(epoch: number, seq: number, key: string, text: string): LogRecord {
  return { epoch, seq, changes: [putting(key, text)] };
}

export function deletion(epoch: number, seq: number, key: string): LogRecord {
  return { epoch, seq, changes: [deleting(key)] };
}

export function epochRecord(epoch: number, seq: number): LogRecord {
  return { epoch, seq, changes: [] };
}

/** A change to be put in a record. */
export function putting(key: string, text: string, more: Partial<Change> = {}): Change {
  return { kind: "put", key, value: Buffer.from(text), text: true, previous: 0, ...more };
}

/** As `putting`; of a deletion, or with another `kind`. */
export function deleting(key: string, more: Partial<Change> = {}): Change {
  return { kind: "delete", key, value: new Uint8Array(), text: false, previous: 0, ...more };
}

/** Opens a log for which every fatal error is a failure of the test, unless told otherwise. */
/** What is done beside calls rests for no time. */
const restless: Clock = {
  ...systemClock,
  timer(_, callback) {
    queueMicrotask(callback);
    return () => {};
  },
};

export function openOn(
  disk: Disk,
  options: Partial<Omit<LogOptions, "disk" | "dbfile" | "rbfile">> = {},
): Promise<LogStore> {
  const onFatal = (error: Error) => {
    throw error;
  };
  return openLog({ disk, dbfile, rbfile, clock: restless, onFatal, log: () => {}, ...options });
}

/** A new log that belongs to a node, and its disk. */
export async function newLog() {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
  return { disk, store };
}

export function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString();
}

/** All visible keys with their values, as they are read. */
export async function contentsOf(store: LogStore): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for (const key of [...store.keys()].sort()) {
    contents.set(key, text((await store.get(key))?.value) ?? "(missing)");
  }
  return contents;
}

/** What a list of records leaves behind. */
export function contentsAfter(records: readonly LogRecord[]): Map<string, string> {
  const contents = new Map<string, string>();
  for (const { changes } of records) {
    for (const { kind, key, value } of changes) {
      if (kind === "put") contents.set(key, Buffer.from(value).toString());
      else contents.delete(key);
    }
  }
  return new Map([...contents].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Records from seq 1 on that overwrite and delete each other, in two epochs. */
export function someRecords(count: number, keys = 20): LogRecord[] {
  const records: LogRecord[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const epoch = seq <= count / 2 ? 1 : 3;
    const key = `key ${(seq * 7919) % keys}`;
    if (epoch === 3 && records.at(-1)?.epoch === 1) records.push(epochRecord(epoch, seq));
    else if (seq % 5 === 0) records.push(deletion(epoch, seq, key));
    else records.push(put(epoch, seq, key, `value ${seq} ${"x".repeat(seq % 11)}`));
  }
  return records;
}

/**
 * Like `someRecords`, with every form of record: batches, requests, keys that expire and that have expired, copies, keys that
 * are forgotten, moves that are released and accepted.
 */
export function allKindsOfRecords(count: number, keys = 20): LogRecord[] {
  return someRecords(count, keys).map((record) => {
    const { epoch, seq, changes } = record;
    const [change] = changes;
    const request = seq % 4 === 0 ? { requestId: `request-${seq}` } : {};
    if (change === undefined) return record;
    if (seq % 12 === 0) return { ...record, ...request, move: { kind: "copy", revision: 10 * seq } };
    if (seq % 9 === 0)
      return { epoch, seq, changes: [], move: { kind: "release", change: seq, to: "other" } };
    if (seq % 22 === 0) return { epoch, seq, changes: [deleting(change.key)], move: { kind: "forget" } };
    if (seq % 17 === 0) {
      const ahead = 10 * seq;
      const accepted = { change: seq, from: "other", revision: ahead, ahead, requestsAfter: seq };
      return { epoch, seq, changes: [], move: { kind: "accept", ...accepted } };
    }
    if (seq % 7 === 0) {
      const second = putting(`${change.key}b`, `${seq}`, { expiresMs: 1e12 + seq });
      const third = deleting(`${change.key}c`, { previous: seq - 1 });
      return { epoch, seq, changes: seq % 2 === 0 ? [change, second, third] : [second, change], ...request };
    }
    if (seq % 13 === 0) return { epoch, seq, changes: [], requestId: `done-${seq}` };
    if (change.kind === "delete") return { ...record, ...request, changes: [{ ...change, kind: "expire" }] };
    const expiry = seq % 3 === 0 ? { expiresMs: 1e12 + seq } : {};
    return { epoch, seq, changes: [{ ...change, ...expiry, previous: seq % 5 }], ...request };
  });
}

/** Records in a form that can be compared. */
export function plain(records: readonly LogRecord[] | undefined) {
  return records?.map(({ epoch, seq, changes, requestId, move }) => ({
    epoch,
    seq,
    requestId,
    move,
    changes: changes.map(({ kind, key, value, text, expiresMs, previous }) => {
      return { kind, key, value: Buffer.from(value).toString("base64"), text, expiresMs, previous };
    }),
  }));
}
