/** Runs the operations of `Pipe` and `Exchange`. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { AnswerSchema, Operation } from "../../../gen/kvlab/v1/data_pb.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import { toConnectError } from "../errors.ts";
import { checkFields } from "../unknown-fields.ts";
import type { CallEnd, UnaryCalls } from "./unary-calls.ts";

export type Answer = MessageInitShape<typeof AnswerSchema>;

/**
 * Runs an operation. A get whose value is at hand is answered at once. `end` is aborted at the end of the operation's
 * time. Never throws or rejects.
 */
export function answerTo(calls: UnaryCalls, operation: Operation, end: CallEnd): Answer | Promise<Answer> {
  const { id, call } = operation;
  if (call.case !== "get") return answerLater(calls, operation, end);
  try {
    checkFields(operation);
    const found = calls.get(call.value, end);
    if (!(found instanceof Promise)) return { id, answer: { case: "get", value: found } };
    return found.then(
      (value) => ({ id, answer: { case: "get", value } }),
      (error) => failed(id, error),
    );
  } catch (error) {
    return failed(id, error);
  }
}

async function answerLater(calls: UnaryCalls, operation: Operation, end: CallEnd): Promise<Answer> {
  const { id, call } = operation;
  try {
    checkFields(operation);
    switch (call.case) {
      case "put":
        return { id, answer: { case: "put", value: await calls.put(call.value, end) } };
      case "delete":
        return { id, answer: { case: "delete", value: await calls.delete(call.value, end) } };
      case "batch":
        return { id, answer: { case: "batch", value: await calls.batch(call.value, end) } };
      default:
        throw new ConnectError(
          "the operation is empty; it must be a get, put, delete or batch",
          Code.InvalidArgument,
        );
    }
  } catch (error) {
    return failed(id, error);
  }
}

/** Only reads get this answer, so the call can be retried. */
export function noRoom({ id }: { readonly id?: number | undefined }): Answer {
  const message = "the answers of these calls are too long together: ask again";
  return failed(id, toConnectError(new OperationError("unavailable", message)));
}

/** What an answer without a value takes, about. */
const overheadBytes = 64;

/** Bytes of an answer that waits for its caller, about. */
export function bytesOf({ answer }: Answer): number {
  switch (answer?.case) {
    case "get":
      return overheadBytes + (answer.value.value?.value?.length ?? 0);
    case "failure": {
      const { message = "", details = [] } = answer.value;
      return details.reduce((sum, { value }) => sum + (value?.length ?? 0), overheadBytes + message.length);
    }
    default:
      return overheadBytes;
  }
}

function failed(id: number | undefined, error: unknown): Answer {
  const failure = toFailure(ConnectError.from(error, Code.Internal));
  return { ...(id !== undefined && { id }), answer: { case: "failure", value: failure } };
}

function toFailure({ code, rawMessage, details }: ConnectError) {
  return {
    code,
    message: rawMessage,
    details: details.map((detail) =>
      "desc" in detail
        ? anyPack(detail.desc, create(detail.desc, detail.value))
        : { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value },
    ),
  };
}
