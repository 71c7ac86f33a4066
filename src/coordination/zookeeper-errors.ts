import { ZooKeeperError, type ZooKeeperErrorCode } from "../zookeeper/errors.ts";
import { serverError } from "../zookeeper/wire/error-codes.ts";
import { CoordinationError, type CoordinationErrorCode } from "./coordination.ts";

/** Codes of the ZooKeeper client that have another name here. All others have the same. */
const OTHER_CODES: Readonly<
  Record<Exclude<ZooKeeperErrorCode, CoordinationErrorCode>, CoordinationErrorCode>
> = {
  INVALID_ACL: "BAD_ARGUMENTS",
  READ_ONLY: "SYSTEM",
  NO_WATCHER: "SYSTEM",
  UNIMPLEMENTED: "SYSTEM",
  EPHEMERAL_ON_LOCAL_SESSION: "SYSTEM",
  RECONFIG_DISABLED: "SYSTEM",
  RECONFIG_IN_PROGRESS: "SYSTEM",
  NEW_CONFIG_NO_QUORUM: "SYSTEM",
  QUOTA_EXCEEDED: "SYSTEM",
  // To be tried again, as after a lost connection, though it was certainly not carried out.
  THROTTLED: "CONNECTION_LOSS",
  ABORTED: "SYSTEM",
  DEADLINE_EXCEEDED: "SYSTEM",
  OVERLOADED: "SYSTEM",
};

/** An error of the ZooKeeper client, as those of all drivers. */
function fromZooKeeperError({ code, message, path, cause }: ZooKeeperError): CoordinationError {
  const here = isOther(code) ? OTHER_CODES[code] : code;
  return new CoordinationError(here, message, { cause, ...(path !== undefined && { path }) });
}

/** The error of a server's number. */
export function errorOf(number: number, operation: string, path: string): CoordinationError {
  return fromZooKeeperError(serverError(number, operation, path));
}

/** What `call` returns, or its error as those of all drivers. */
export async function translated<T>(call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw ZooKeeperError.is(error) ? fromZooKeeperError(error) : error;
  }
}

function isOther(code: ZooKeeperErrorCode): code is keyof typeof OTHER_CODES {
  return code in OTHER_CODES;
}
