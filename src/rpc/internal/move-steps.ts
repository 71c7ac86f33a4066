/** How the steps of a move stand on the wire. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  MoveOutRequest as MoveOutRequestMessage,
  MoveOutRequestSchema,
  MoveOutResponse as MoveOutResponseMessage,
  MoveOutResponseSchema,
} from "../../../gen/kvlab/internal/v1/move_pb.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import type { MoveOutAnswer, MoveOutRequest, MoveStep } from "../../cluster/replication/peer.ts";
import { fromCopies, toCopies } from "./move-copies.ts";

export function toMoveOutRequest(request: MoveOutRequest): MessageInitShape<typeof MoveOutRequestSchema> {
  const { group, to, change, attempt, cluster = "", step } = request;
  return { group, to, change: BigInt(change), attempt, cluster, step: toStep(step) };
}

function toStep(step: MoveStep) {
  switch (step.kind) {
    case "begin":
      return { case: step.kind, value: {} } as const;
    case "next":
      return { case: step.kind, value: BigInt(step.index) } as const;
    case "seal":
      return { case: step.kind, value: {} } as const;
    case "release":
      return { case: step.kind, value: {} } as const;
  }
}

/** Errors: OperationError `invalid`. */
export function fromMoveOutRequest(message: MoveOutRequestMessage): MoveOutRequest {
  const { group, to, change, attempt, cluster, step } = message;
  return { group, to, change: Number(change), attempt, cluster, step: fromStep(step) };
}

function fromStep(step: MoveOutRequestMessage["step"]): MoveStep {
  switch (step.case) {
    case "next":
      return { kind: "next", index: Number(step.value) };
    case undefined:
      throw new OperationError("invalid", "the step is not set");
    default:
      return { kind: step.case };
  }
}

export function toMoveOutResponse(answer: MoveOutAnswer): MessageInitShape<typeof MoveOutResponseSchema> {
  const { released = false, keys = 0, chunk } = answer;
  if (chunk === undefined) return { released, keys: BigInt(keys) };
  const { records, behind, end } = chunk;
  return {
    copies: toCopies(records),
    ...(behind !== undefined && { behind: BigInt(behind) }),
    ...(end && { end: { revision: BigInt(end.revision), requestsAfter: BigInt(end.requestsAfter) } }),
  };
}

export function fromMoveOutResponse(message: MoveOutResponseMessage, step: MoveStep): MoveOutAnswer {
  const { released, keys, copies, behind, end } = message;
  if (step.kind !== "next") return { released, keys: Number(keys) };
  // Taken for none, they would be lost with the release.
  if (copies === undefined) throw new Error("a chunk has been received without its copies");
  return {
    chunk: {
      records: fromCopies(copies),
      ...(behind !== undefined && { behind: Number(behind) }),
      ...(end && { end: { revision: Number(end.revision), requestsAfter: Number(end.requestsAfter) } }),
    },
  };
}
