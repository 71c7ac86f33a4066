import { Code, type ConnectError } from "@connectrpc/connect";
import { WrongNodeSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { isNotApplied } from "../client/error-classification.ts";
import { NOT_ALLOWED, NOT_FOUND, OUTCOME_UNKNOWN, REFUSED, UNAVAILABLE } from "../settings/exit-codes.ts";
import { ExitError } from "../settings/run-main.ts";

/** What a router answered, or why it did not answer. */
export interface Failure {
  readonly url: string;
  readonly error: ConnectError;
}

/**
 * The error of a call that failed at every router it was sent to. `last` decides the error; the routers in `earlier`
 * could not be reached. The line says what was tried where, and what to check.
 */
export function callFailure(
  what: string,
  kind: "read" | "write",
  last: Failure,
  earlier: readonly Failure[] = [],
): ExitError {
  const [exitCode, headline, advice] = judge(last.error, kind);
  const answers = [...earlier, last].map(({ url, error: { rawMessage } }) =>
    rawMessage.startsWith(url) ? rawMessage : `${url}: ${rawMessage}`,
  );
  const message = `${what}: ${headline} (${answers.join("; ")})`;
  return new ExitError(exitCode, advice === undefined ? message : `${message}; ${advice}`, {
    cause: last.error,
  });
}

/** Exit code, what happened, and what to check or do. */
function judge(error: ConnectError, kind: "read" | "write"): [number, string, string?] {
  if (error.findDetails(WrongNodeSchema).length > 0) {
    return [UNAVAILABLE, "wrong node", "name a router with --router, not a data node"];
  }
  switch (error.code) {
    case Code.NotFound:
      return [NOT_FOUND, "not found"];
    case Code.InvalidArgument:
    case Code.OutOfRange:
      return [NOT_ALLOWED, "not allowed"];
    case Code.FailedPrecondition:
    case Code.Aborted:
    case Code.AlreadyExists:
    case Code.PermissionDenied:
    case Code.Unauthenticated:
      return [REFUSED, "refused"];
    case Code.Unimplemented:
      return [UNAVAILABLE, "not offered", "check that this is the address of a router"];
  }
  // A server that is too busy says that it has not applied the call. Otherwise the message was too long for the
  // server.
  if (error.code === Code.ResourceExhausted && !isNotApplied(error)) return [NOT_ALLOWED, "not allowed"];
  if (kind === "write" && !isNotApplied(error)) {
    return [OUTCOME_UNKNOWN, "may or may not have been applied", "look before you do it again"];
  }
  const headline = kind === "write" ? "unavailable, not applied" : "unavailable";
  return error.isWireError
    ? [UNAVAILABLE, headline, "`kvlab status` shows how the groups are"]
    : [UNAVAILABLE, headline, "check that a router runs there, or name another with --router"];
}
