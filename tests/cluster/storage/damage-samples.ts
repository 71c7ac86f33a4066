import assert from "node:assert/strict";
import type { Change, LogRecord } from "../../../src/cluster/storage/model.ts";
import {
  allKindsOfRecords,
  contentsAfter,
  dbfile,
  deleting,
  openOn,
  putting,
  someRecords,
} from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

/** A piece of a log file: a record, or a control line. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  /** Undefined for a control line. */
  readonly record: LogRecord | undefined;
}

export interface Sample {
  readonly bytes: Buffer;
  readonly pieces: readonly Piece[];
  /** Up to here the file is written in one step, and nothing is ever half there. */
  readonly wholeUpTo: number;
  /** What is listed when only the first so many pieces are good. */
  readonly contentsUpTo: readonly string[];
}

/** A log as a node leaves it: of plain records, or of all kinds; `compacted` with a snapshot part. */
export type Kind = "plain" | "compacted" | "mixed" | "mixed and compacted";

export async function sample(kind: Kind): Promise<Sample> {
  samples[kind] ??= makeSample(kind);
  return samples[kind];
}

const samples: Partial<Record<Kind, Promise<Sample>>> = {};

async function makeSample(kind: Kind): Promise<Sample> {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
  // Enough for every form of record to stand before and after every other, and to be overwritten: tests of every byte
  // take time by the square of the length.
  const records = kind.startsWith("mixed") ? allKindsOfRecords(60) : someRecords(70);
  const half = Math.floor(records.length * 0.6);
  await store.append(records.slice(0, half));
  if (kind.endsWith("compacted")) {
    store.commit(half);
    await store.compact();
  }
  await store.promise(7);
  await store.append(records.slice(half));
  await store.close();
  const bytes = disk.contents(dbfile) ?? assert.fail();
  const pieces = piecesOf(bytes);
  const frame = pieces.findLast(({ start }) =>
    /^!(kvlab|base)/.test(bytes.toString("latin1", start, start + 6)),
  );
  const contentsUpTo = pieces.map((_, count) => listed(contentsOfPieces(pieces.slice(0, count))));
  return { bytes, pieces, wholeUpTo: frame?.end ?? 0, contentsUpTo };
}

/** Reads the file by its lines alone. */
function piecesOf(bytes: Buffer): Piece[] {
  const lines = bytes.toString("latin1").split("\n").slice(0, -1);
  const pieces: Piece[] = [];
  let changes: Change[] = [];
  let start = 0;
  let end = 0;
  const finish = (record: LogRecord | undefined) => {
    pieces.push({ start, end, record });
    start = end;
    changes = [];
  };
  for (let index = 0; index < lines.length; ) {
    const [first = "", value = "", commit = ""] = lines.slice(index, index + 3);
    if (first.startsWith("!")) {
      end += first.length + 1;
      index++;
      finish(undefined);
      continue;
    }
    end += first.length + value.length + commit.length + 3;
    index += 3;
    const key = Buffer.from(first, "base64").toString();
    const isChange = !/ kind=(epoch|done)/.test(commit);
    if (isChange) {
      changes.push(value === "-" ? deleting(key) : putting(key, Buffer.from(value, "base64").toString()));
    }
    if (commit.startsWith("+")) continue;
    const [, epoch, seq] = /^# (\d+)\.(\d+) /.exec(commit) ?? [];
    const requestId = / id=([^ ]+)/.exec(commit)?.[1];
    finish({ epoch: Number(epoch), seq: Number(seq), changes, requestId });
  }
  return pieces;
}

/** What a log must hold when only its first pieces are good. */
export function contentsOfPieces(pieces: readonly Piece[]): Map<string, string> {
  return contentsAfter(pieces.flatMap(({ record }) => record ?? []));
}

/** Quick to compare. */
export function listed(contents: Map<string, string>): string {
  return JSON.stringify([...contents]);
}
