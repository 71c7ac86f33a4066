import { ZooKeeperError, type ZooKeeperErrorCode, type ZooKeeperErrorOptions } from "../errors.ts";

const NO_NODE = -101;
const SESSION_EXPIRED = -112;

/** The numbers in replies (KeeperException.java). */
const ERRORS: Readonly<Record<number, readonly [ZooKeeperErrorCode, string]>> = {
  [-4]: ["CONNECTION_LOSS", "the server lost its own connection"],
  [-6]: ["UNIMPLEMENTED", "the server does not know this request, or has it switched off"],
  [-7]: ["CONNECTION_LOSS", "the server gave up waiting"],
  [-8]: ["BAD_ARGUMENTS", "ZooKeeper refuses its arguments"],
  [-13]: ["NEW_CONFIG_NO_QUORUM", "no majority of the new configuration is connected and up to date"],
  [-14]: ["RECONFIG_IN_PROGRESS", "another reconfiguration is under way"],
  [NO_NODE]: ["NO_NODE", "there is no such znode"],
  [-102]: ["NO_AUTH", "its ACL forbids it to these credentials"],
  [-103]: ["BAD_VERSION", "its version is another"],
  [-108]: ["NO_CHILDREN_FOR_EPHEMERALS", "an ephemeral znode has no children"],
  [-110]: ["NODE_EXISTS", "there is such a znode"],
  [-111]: ["NOT_EMPTY", "it has children"],
  [SESSION_EXPIRED]: ["SESSION_EXPIRED", "the session has expired"],
  [-114]: ["INVALID_ACL", "its ACL is malformed, or of a session that has no credentials"],
  [-115]: ["AUTH_FAILED", "the credentials are refused"],
  [-118]: ["CONNECTION_LOSS", "the session has moved to another server"],
  [-119]: ["READ_ONLY", "the server has no majority, and only reads"],
  [-120]: ["EPHEMERAL_ON_LOCAL_SESSION", "a local session has no ephemeral znodes"],
  [-121]: ["NO_WATCHER", "it has no such watch"],
  [-122]: ["CONNECTION_LOSS", "the server gave up waiting"],
  [-123]: ["RECONFIG_DISABLED", "reconfiguration is switched off"],
  [-125]: ["QUOTA_EXCEEDED", "its quota is used up"],
  [-127]: ["THROTTLED", "the server is overloaded"],
};

/** The error of the number in a reply, to the operation of this name on `path`. */
export function serverError(
  number: number,
  operation: string,
  path: string,
  options: Omit<ZooKeeperErrorOptions, "path"> = {},
): ZooKeeperError {
  const [code, text] = ERRORS[number] ?? ["SYSTEM", `ZooKeeper answers error ${number}`];
  return new ZooKeeperError(code, `${operation} ${path}: ${text}`, { path, ...options });
}

export const isNoNode = (number: number): boolean => number === NO_NODE;

export const isSessionExpired = (number: number): boolean => number === SESSION_EXPIRED;
