import { messageOf } from "../../common/message-of.ts";
import { ZooKeeperError } from "../errors.ts";

/** The value as JSON. `what` names it in the error: BAD_ARGUMENTS, for a value that JSON cannot have. */
export function toJson(what: string, value: unknown): Uint8Array {
  try {
    return new TextEncoder().encode(JSON.stringify(value));
  } catch (cause) {
    throw new ZooKeeperError("BAD_ARGUMENTS", `${what} cannot be written as JSON: ${messageOf(cause)}`, {
      cause,
    });
  }
}
