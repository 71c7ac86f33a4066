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
 * What to do after a failed attempt. Used by clients, and by routers that forward their calls. `applied` is about this
 * attempt alone. It is "maybe" when the answer was lost, or when the server itself does not know.
 */
export type ErrorClass =
  /** Another server has the keys. Its address may be unknown, and so it is when the server knows less than the caller. */
  | { readonly next: "redirect"; readonly applied: "no"; readonly address: Address | undefined }
  /** If it was the first attempt, the request can be sent again with this revision. The group is "" if it is not told. */
  | {
      readonly next: "forgotten";
      readonly applied: "no";
      readonly revision: bigint;
      readonly group: string;
    }
  /** The call can be sent again, if that is safe. */
  | { readonly next: "again"; readonly applied: "no" | "maybe" }
  /** Another attempt would not help. */
  | { readonly next: "give-up"; readonly applied: "no" | "maybe"; readonly error: KvError };

/**
 * Classifies an error of a call that names keys. Callers handle "no such key" first: it is an answer, not an error.
 * `ringVersion`: of the ring that the caller knows. A redirect by an older one is not followed.
 */
export function classify(error: ConnectError, ringVersion = 0n): ErrorClass {
  const [wrongNode] = error.findDetails(WrongNodeSchema);
  if (wrongNode) {
    // A server that knows no ring, and says 0, names no address either.
    const isBehind = wrongNode.ringVersion > 0n && wrongNode.ringVersion < ringVersion;
    const address = isBehind ? undefined : parseAddress(wrongNode.address);
    return { next: "redirect", applied: "no", address };
  }
  const [forgotten] = error.findDetails(RequestForgottenSchema);
  if (forgotten) {
    const { revision, group } = forgotten;
    return { next: "forgotten", applied: "no", revision, group };
  }
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
    // Without a NotApplied detail these come from broken connections and deadlines, or say that the outcome is unknown.
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
    // The server does not know the group, or not yet.
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

/** The error of a call whose deadline has passed, with the failure of its last attempt. */
export function lateBecause(reason: KvError, failure: ConnectError | undefined): KvError {
  if (failure === undefined || (reason.code !== "deadline" && reason.code !== "unavailable")) return reason;
  const { code } = KvError.from(failure);
  const message = `${reason.message}: ${failure.rawMessage}`;
  return new KvError(code === "exhausted" ? code : "unavailable", message, { cause: failure });
}
