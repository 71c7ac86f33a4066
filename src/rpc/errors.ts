import { Code, ConnectError } from "@connectrpc/connect";
import {
  ConditionFailedSchema,
  DataLossSchema,
  HistoryLostSchema,
  NotAppliedSchema,
  OutcomeUnknownSchema,
  RequestForgottenSchema,
  WrongNodeSchema,
} from "../../gen/kvlab/v1/errors_pb.ts";
import {
  type DataLoss,
  OperationError,
  type OperationErrorCode,
} from "../cluster/metadata/operation-error.ts";

const codes: Record<OperationErrorCode, Code> = {
  "not-found": Code.NotFound,
  "wrong-node": Code.FailedPrecondition,
  unavailable: Code.Unavailable,
  exhausted: Code.ResourceExhausted,
  "outcome-unknown": Code.Unknown,
  "condition-failed": Code.FailedPrecondition,
  "request-forgotten": Code.FailedPrecondition,
  "history-lost": Code.OutOfRange,
  "scan-overrun": Code.Aborted,
  "data-loss": Code.FailedPrecondition,
  invalid: Code.InvalidArgument,
  refused: Code.FailedPrecondition,
};

type OutgoingDetail = NonNullable<ConstructorParameters<typeof ConnectError>[3]>[number];

/** Turns an error of the core into the error for the caller, with the details of `kvlab/v1/errors.proto`. */
export function toConnectError(error: unknown, group = ""): ConnectError {
  if (!(error instanceof OperationError)) return ConnectError.from(error, Code.Internal);
  return new ConnectError(error.message, codes[error.code], undefined, detailsOf(error, group), error);
}

function detailsOf(
  { code, owner, key = "", revision = 0, loss }: OperationError,
  group: string,
): OutgoingDetail[] {
  switch (code) {
    case "wrong-node":
      return [
        {
          desc: WrongNodeSchema,
          value: {
            group: owner?.group ?? "",
            address: owner?.address ?? "",
            ringVersion: BigInt(owner?.ringVersion ?? 0),
          },
        },
      ];
    case "unavailable":
    case "exhausted":
      return [{ desc: NotAppliedSchema, value: {} }];
    case "outcome-unknown":
      return [{ desc: OutcomeUnknownSchema, value: { group } }];
    case "condition-failed":
      return [{ desc: ConditionFailedSchema, value: { key, revision: BigInt(revision) } }];
    case "request-forgotten":
      return [{ desc: RequestForgottenSchema, value: { revision: BigInt(revision), group } }];
    case "history-lost":
      return [{ desc: HistoryLostSchema, value: { oldestRevision: BigInt(revision) } }];
    case "data-loss":
      return loss === undefined ? [] : [{ desc: DataLossSchema, value: toDataLoss(loss) }];
    default:
      return [];
  }
}

function toDataLoss({ epoch, last, loss }: DataLoss) {
  return { epoch: BigInt(epoch), lastEpoch: BigInt(last.epoch), lastSeq: BigInt(last.seq), loss };
}

/** Runs `call`, and turns errors of the core into those of the protocol. */
export async function answering<T>(call: () => Promise<T>, group = ""): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toConnectError(error, group);
  }
}

/** The error with its details, without the headers of the connection that it came over. */
export function relayed(error: ConnectError): ConnectError {
  const copy = new ConnectError(error.rawMessage, error.code, undefined, undefined, error);
  copy.details = error.details;
  return copy;
}
