import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type EpochStart as EpochStartMessage,
  type EpochStartSchema,
  type Position as PositionMessage,
  type PositionSchema,
  RecordKind,
  type Record as RecordMessage,
  type RecordSchema,
} from "../../gen/kvlab/internal/v1/replication_pb.ts";
import type { EpochStart, LogRecord, Position } from "../cluster/log-store.ts";

/** Numbers of the core are below 2^53; on the wire they have 64 bits. */
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

const kinds = { put: RecordKind.PUT, delete: RecordKind.DELETE, epoch: RecordKind.EPOCH } as const;

export function toRecord(record: LogRecord): MessageInitShape<typeof RecordSchema> {
  const { epoch, seq, kind, key, value, text } = record;
  return { epoch: BigInt(epoch), seq: BigInt(seq), kind: kinds[kind], key, value, text };
}

export function fromRecord(message: RecordMessage): LogRecord {
  const { key, value, text } = message;
  return {
    epoch: Number(message.epoch),
    seq: Number(message.seq),
    kind: fromKind(message.kind),
    key,
    value,
    text,
  };
}

function fromKind(kind: RecordKind): LogRecord["kind"] {
  switch (kind) {
    case RecordKind.PUT:
      return "put";
    case RecordKind.DELETE:
      return "delete";
    case RecordKind.EPOCH:
      return "epoch";
    default:
      throw new Error(`a record of the unknown kind ${kind} has been received`);
  }
}
