import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { NotAppliedSchema, OutcomeUnknownSchema, WrongNodeSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { KvError, type KvErrorCode } from "../cluster/errors.ts";

const codes: Record<KvErrorCode, Code> = {
  "not-found": Code.NotFound,
  "wrong-node": Code.FailedPrecondition,
  unavailable: Code.Unavailable,
  exhausted: Code.ResourceExhausted,
  "outcome-unknown": Code.Unknown,
  invalid: Code.InvalidArgument,
  refused: Code.FailedPrecondition,
};

/** The form in which an error of the core reaches a caller, with the details of `kvlab/v1/errors.proto`. */
export function toConnectError(error: unknown, group = ""): ConnectError {
  if (!(error instanceof KvError)) return ConnectError.from(error, Code.Internal);
  const failure = new ConnectError(error.message, codes[error.code], undefined, undefined, error);
  switch (error.code) {
    case "wrong-node": {
      const { owner } = error;
      failure.details.push({
        desc: WrongNodeSchema,
        value: create(WrongNodeSchema, {
          group: owner?.group ?? "",
          address: owner?.address ?? "",
          ringVersion: BigInt(owner?.ringVersion ?? 0),
        }),
      });
      break;
    }
    case "unavailable":
    case "exhausted":
      failure.details.push({ desc: NotAppliedSchema, value: create(NotAppliedSchema) });
      break;
    case "outcome-unknown":
      failure.details.push({
        desc: OutcomeUnknownSchema,
        value: create(OutcomeUnknownSchema, { group }),
      });
      break;
  }
  return failure;
}

/** Runs `call` with the errors of the core turned into those of the protocol. */
export async function answering<T>(call: () => Promise<T>, group = ""): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toConnectError(error, group);
  }
}

/** Whether a call that failed so has certainly not been applied. */
export function isNotApplied(error: ConnectError): boolean {
  return error.findDetails(NotAppliedSchema).length > 0 || error.findDetails(WrongNodeSchema).length > 0;
}

/** The error with its details, but without the headers of the connection that it came over. */
export function relayed(error: ConnectError): ConnectError {
  const copy = new ConnectError(error.rawMessage, error.code, undefined, undefined, error);
  copy.details = error.details;
  return copy;
}
