import { Code, ConnectError } from "@connectrpc/connect";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { KvError } from "../../client/errors.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import { toConnectError } from "../errors.ts";

/** The error of a merged stream for its caller: that of the data node, if it is from one. */
export function toStreamError(error: unknown, { aborted, reason }: AbortSignal): ConnectError {
  // The caller has gone, or its deadline has passed.
  if (aborted) return ConnectError.from(reason, Code.Canceled);
  if (!(error instanceof KvError)) return toConnectError(error);
  const { code, message, cause } = error;
  switch (code) {
    case "unavailable":
    case "deadline":
      return notApplied(message, Code.Unavailable, error);
    case "exhausted":
      return notApplied(message, Code.ResourceExhausted, error);
    default: {
      if (cause instanceof ConnectError) {
        const answer = new ConnectError(message, cause.code, undefined, undefined, error);
        answer.details = cause.details;
        return answer;
      }
      const known = code === "history-lost" || code === "invalid" ? code : undefined;
      if (known === undefined) return new ConnectError(message, Code.Internal, undefined, undefined, error);
      return toConnectError(new OperationError(known, message, { cause: error }));
    }
  }
}

function notApplied(message: string, code: Code, cause: KvError): ConnectError {
  return new ConnectError(message, code, undefined, [{ desc: NotAppliedSchema, value: {} }], cause);
}
