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

/**
 * What follows from the error of one attempt, for whoever sends calls on: clients, and routers for theirs. `applied` is
 * of this attempt alone; "maybe" where the answer was lost, or the server itself does not know what it has done.
 */
export type ErrorClass =
  /** Another server has the keys, or nobody knows who. */
  | { readonly next: "redirect"; readonly applied: "no"; readonly address: Address | undefined }
  /** It can be sent as if for the first time, after this revision. */
  | { readonly next: "forgotten"; readonly applied: "no"; readonly revision: bigint }
  /** It can be sent again, as far as that is safe. */
  | { readonly next: "again"; readonly applied: "no" | "maybe" }
  /** No other attempt would fare better. */
  | { readonly next: "give-up"; readonly applied: "no" | "maybe"; readonly error: KvError };

/** Classifies an error of a key's call. That a key does not exist is an answer, which callers look for before. */
export function classify(error: ConnectError): ErrorClass {
  const [wrongNode] = error.findDetails(WrongNodeSchema);
  if (wrongNode) return { next: "redirect", applied: "no", address: parseAddress(wrongNode.address) };
  const [forgotten] = error.findDetails(RequestForgottenSchema);
  if (forgotten) return { next: "forgotten", applied: "no", revision: forgotten.revision };
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
  if (isNotApplied(error)) return { next: "again", applied: "no" };
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

/** Whether the server says that it has certainly not applied the call. */
export function isNotApplied(error: ConnectError): boolean {
  return error.findDetails(NotAppliedSchema).length > 0 || error.findDetails(WrongNodeSchema).length > 0;
}

/** The error of a call whose time is over, with what kept it from being answered. */
export function lateBecause(reason: KvError, failure: ConnectError | undefined): KvError {
  if (failure === undefined || (reason.code !== "deadline" && reason.code !== "unavailable")) return reason;
  const { code } = KvError.from(failure);
  const message = `${reason.message}: ${failure.rawMessage}`;
  return new KvError(code === "exhausted" ? code : "unavailable", message, { cause: failure });
}
