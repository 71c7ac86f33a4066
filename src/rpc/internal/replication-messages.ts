import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ChangeKind,
  type Change as ChangeMessage,
  type EpochStart as EpochStartMessage,
  type EpochStartSchema,
  type Position as PositionMessage,
  type PositionSchema,
  type Record as RecordMessage,
  type RecordSchema,
} from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type { Change, EpochStart, LogRecord, Position } from "../../cluster/storage/model.ts";
import { fromMark, markChange, toMark } from "./move-messages.ts";

/** Numbers of the core are below 2^53. On the wire they have 64 bits. */
export function toPosition({ epoch, seq }: Position): MessageInitShape<typeof PositionSchema> {
  return { epoch: BigInt(epoch), seq: BigInt(seq) };
}

export function fromPosition(message: PositionMessage | undefined): Position {
  return { epoch: Number(message?.epoch ?? 0), seq: Number(message?.seq ?? 0) };
}

export function toEpochs(epochs: readonly EpochStart[]): MessageInitShape<typeof EpochStartSchema>[] {
  return epochs.map(({ epoch, firstSeq }) => ({ epoch: BigInt(epoch), firstSeq: BigInt(firstSeq) }));
}

export function fromEpochs(messages: readonly EpochStartMessage[]): EpochStart[] {
  return messages.map(({ epoch, firstSeq }) => ({ epoch: Number(epoch), firstSeq: Number(firstSeq) }));
}

export const kinds = { put: ChangeKind.PUT, delete: ChangeKind.DELETE, expire: ChangeKind.EXPIRE } as const;

export function toRecord(record: LogRecord): MessageInitShape<typeof RecordSchema> {
  const { epoch, seq, changes, requestId, move } = record;
  const sent = changes.map(toChange);
  return {
    epoch: BigInt(epoch),
    seq: BigInt(seq),
    changes: move === undefined ? sent : [markChange, ...sent],
    requestId: requestId ?? "",
    ...(move !== undefined && { mark: toMark(move) }),
  };
}

export function fromRecord({ epoch, seq, changes, requestId, mark }: RecordMessage): LogRecord {
  const isMarked = changes[0]?.kind === ChangeKind.MARK || mark.case !== undefined;
  return {
    epoch: Number(epoch),
    seq: Number(seq),
    changes: changes.filter(({ kind }) => kind !== ChangeKind.MARK).map(fromChange),
    ...(requestId !== "" && { requestId }),
    ...(isMarked && { move: fromMark(mark) }),
  };
}

function toChange({ kind, key, value, text, expiresMs, previous }: Change) {
  return {
    kind: kinds[kind],
    key,
    value,
    text,
    expiresMs: BigInt(expiresMs ?? 0),
    previous: BigInt(previous),
  };
}

function fromChange({ kind, key, value, text, expiresMs, previous }: ChangeMessage): Change {
  return {
    kind: fromKind(kind),
    key,
    value,
    text,
    previous: Number(previous),
    ...(expiresMs > 0n && { expiresMs: Number(expiresMs) }),
  };
}

export function fromKind(kind: ChangeKind): Change["kind"] {
  switch (kind) {
    case ChangeKind.PUT:
      return "put";
    case ChangeKind.DELETE:
      return "delete";
    case ChangeKind.EXPIRE:
      return "expire";
    default:
      throw new Error(`a change of the unknown kind ${kind} has been received`);
  }
}
