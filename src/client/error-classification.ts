import { Code, type ConnectError } from "@connectrpc/connect";
import {
  ConditionFailedSchema,
  NotAppliedSchema,
  RequestForgottenSchema,
  WrongNodeSchema,
} from "../../gen/kvlab/v1/errors_pb.ts";
import { type Address, parseAddress } from "../common/address.ts";
import { KvError } from "./errors.ts";
import { fromRevision } from "./values.ts";

/** What follows from the error of one attempt. */
export type ErrorClass =
  /** Not applied: another server has the keys, or nobody knows who. */
  | { readonly next: "redirect"; readonly address: Address | undefined }
  /** Not applied: it can be sent as if for the first time, after this revision. */
  | { readonly next: "forgotten"; readonly revision: bigint }
  /** It can be sent again; it may have been applied, unless `applied` is "no". */
  | { readonly next: "again"; readonly applied: "no" | "maybe" }
  /** No other attempt would fare better. `applied` is "maybe" where the server itself does not know what it has done. */
  | { readonly next: "give-up"; readonly error: KvError; readonly applied: "no" | "maybe" };

export function classify(error: ConnectError): ErrorClass {
  const [wrongNode] = error.findDetails(WrongNodeSchema);
  if (wrongNode) return { next: "redirect", address: parseAddress(wrongNode.address) };
  const [forgotten] = error.findDetails(RequestForgottenSchema);
  if (forgotten) return { next: "forgotten", revision: forgotten.revision };
  const [failed] = error.findDetails(ConditionFailedSchema);
  if (failed) {
    const { key, revision } = failed;
    const known = { key, revision: fromRevision(revision), cause: error };
    return {
      next: "give-up",
      error: new KvError("condition-failed", error.rawMessage, known),
      applied: "no",
    };
  }
  if (error.findDetails(NotAppliedSchema).length > 0) return { next: "again", applied: "no" };
  switch (error.code) {
    // Without a detail these come from connections and clocks, or say themselves that the outcome is not known.
    case Code.Unavailable:
    case Code.Aborted:
    case Code.Canceled:
    case Code.DeadlineExceeded:
    case Code.Unknown:
      return { next: "again", applied: "maybe" };
    case Code.ResourceExhausted: {
      const tooLong = `a message is longer than the server or this client allows: ${error.rawMessage}`;
      return { next: "give-up", error: new KvError("invalid", tooLong, { cause: error }), applied: "no" };
    }
    // Of a group that this server does not know, or not yet.
    case Code.NotFound:
      return { next: "again", applied: "no" };
    case Code.Internal:
    case Code.DataLoss:
      return { next: "give-up", error: KvError.from(error), applied: "maybe" };
    default:
      return { next: "give-up", error: KvError.from(error), applied: "no" };
  }
}

/** The error of a call whose time is over, with what kept it from being answered. */
export function lateBecause(reason: KvError, trouble: ConnectError | undefined): KvError {
  if (trouble === undefined || (reason.code !== "deadline" && reason.code !== "unavailable")) return reason;
  const { code } = KvError.from(trouble);
  const message = `${reason.message}: ${trouble.rawMessage}`;
  return new KvError(code === "exhausted" ? code : "unavailable", message, { cause: trouble });
}
