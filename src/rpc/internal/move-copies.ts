/** How the copies of a move stand on the wire: see `MoveCopies` in proto/kvlab/internal/v1/move.proto. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MoveCopies, MoveCopiesSchema } from "../../../gen/kvlab/internal/v1/move_pb.ts";
import type { Change, LogRecord } from "../../cluster/storage/model.ts";
import { fromKind, kinds } from "./replication-messages.ts";

/** Throws for a record that is no copy. */
export function toCopies(records: readonly LogRecord[]): MessageInitShape<typeof MoveCopiesSchema> {
  const changes = records.flatMap((record) => record.changes);
  return {
    revisions: records.map(revisionOf),
    requestIds: records.map(({ requestId = "" }) => requestId),
    changeCounts: records.map((record) => record.changes.length),
    keys: changes.map(({ key }) => key),
    values: changes.map(({ value }) => value),
    kinds: changes.map(({ kind }) => kinds[kind]),
    texts: changes.map(({ text }) => text),
    expiresMs: changes.map(({ expiresMs = 0 }) => BigInt(expiresMs)),
  };
}

function revisionOf({ seq, move }: LogRecord): bigint {
  if (move?.kind !== "copy") throw new Error(`record ${seq} is sent as a copy and is none`);
  return BigInt(move.revision);
}

/** Throws when the columns do not fit each other. */
export function fromCopies(copies: MoveCopies): LogRecord[] {
  const { revisions, requestIds, changeCounts } = copies;
  const changes = changesOf(copies);
  let taken = 0;
  const records = revisions.map((revision, index): LogRecord => {
    const requestId = requestIds[index];
    const count = changeCounts[index];
    if (requestId === undefined || count === undefined) throw new Error(unfitting);
    taken += count;
    return {
      epoch: 0,
      seq: 0,
      changes: changes.slice(taken - count, taken),
      requestId: requestId === "" ? undefined : requestId,
      move: { kind: "copy", revision: Number(revision) },
    };
  });
  if (taken !== changes.length) throw new Error(unfitting);
  return records;
}

function changesOf({ keys, values, kinds: changeKinds, texts, expiresMs }: MoveCopies): Change[] {
  return keys.map((key, index) => {
    const value = values[index];
    const kind = changeKinds[index];
    const text = texts[index];
    const expires = expiresMs[index];
    if (value === undefined || kind === undefined || text === undefined || expires === undefined) {
      throw new Error(unfitting);
    }
    return {
      kind: fromKind(kind),
      key,
      value,
      text,
      expiresMs: expires === 0n ? undefined : Number(expires),
      previous: 0,
    };
  });
}

const unfitting = "copies have been received whose columns do not fit each other";
