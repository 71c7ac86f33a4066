import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ChangeKind,
  type MoveSummary as MoveSummaryMessage,
  type MoveSummarySchema,
  type Record as RecordMessage,
  type RecordSchema,
} from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type { MoveMark, MoveSummary } from "../../cluster/storage/model.ts";

/**
 * What stands before the changes of a record with a mark. A standby of an earlier version would ignore the field of the
 * mark, as unknown fields of these messages are ignored; but it refuses a change of an unknown kind, and with it the message.
 */
export const markChange = { kind: ChangeKind.MARK } as const;

type MarkMessage = NonNullable<MessageInitShape<typeof RecordSchema>["mark"]>;

export function toMark(move: MoveMark): MarkMessage {
  switch (move.kind) {
    case "copy":
      return { case: "copy", value: { revision: BigInt(move.revision) } };
    case "forget":
      return { case: "forget", value: {} };
    case "release":
      return { case: "release", value: { change: BigInt(move.change), to: move.to } };
    case "accept": {
      const { change, from, revision, ahead, requestsAfter } = move;
      return {
        case: "accept",
        value: {
          change: BigInt(change),
          from,
          revision: BigInt(revision),
          ahead: BigInt(ahead),
          requestsAfter: BigInt(requestsAfter),
        },
      };
    }
  }
}

/** The mark of a record that has one. Throws when a later version has made it. */
export function fromMark(mark: RecordMessage["mark"]): MoveMark {
  switch (mark.case) {
    case "copy":
      return { kind: "copy", revision: Number(mark.value.revision) };
    case "forget":
      return { kind: "forget" };
    case "release":
      return { kind: "release", change: Number(mark.value.change), to: mark.value.to };
    case "accept": {
      const { change, from, revision, ahead, requestsAfter } = mark.value;
      return {
        kind: "accept",
        change: Number(change),
        from,
        revision: Number(revision),
        ahead: Number(ahead),
        requestsAfter: Number(requestsAfter),
      };
    }
    default:
      throw new Error("a record with a mark of a later version has been received");
  }
}

export function toMoveSummary(moves: MoveSummary): MessageInitShape<typeof MoveSummarySchema> {
  const { aheads, change, released, accepted, forgottenSeq, copiedAfter } = moves;
  return {
    aheads: aheads.map(({ firstSeq, ahead }) => ({ firstSeq: BigInt(firstSeq), ahead: BigInt(ahead) })),
    change: BigInt(change),
    released: [...released],
    accepted: Object.fromEntries([...accepted].map(([group, revision]) => [group, BigInt(revision)])),
    forgottenSeq: BigInt(forgottenSeq),
    copiedAfter: BigInt(copiedAfter),
  };
}

export function fromMoveSummary(message: MoveSummaryMessage): MoveSummary {
  const accepted = Object.entries(message.accepted);
  return {
    aheads: message.aheads.map(({ firstSeq, ahead }) => ({
      firstSeq: Number(firstSeq),
      ahead: Number(ahead),
    })),
    change: Number(message.change),
    released: new Set(message.released),
    accepted: new Map(accepted.map(([group, revision]) => [group, Number(revision)])),
    forgottenSeq: Number(message.forgottenSeq),
    copiedAfter: Number(message.copiedAfter),
  };
}
