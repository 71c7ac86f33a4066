import { messageOf } from "../../common/message-of.ts";
import { CoordinationError } from "../../coordination/coordination.ts";

/** Formats a coordination error for operators: what is wrong and what to do. */
export function explain(error: unknown): string {
  if (CoordinationError.is(error, "NO_AUTH")) {
    return (
      `${error.path ?? "a znode"} does not let us in: it, or what it lies in, was made with other credentials; ` +
      "start with the zooauth that the rest of the cluster has, or delete the znode"
    );
  }
  return messageOf(error);
}

/** Passes a message on unless it is the same as the one before. */
export function withoutRepetition(tell: (message: string) => void): (message: string) => void {
  let last: string | undefined;
  return (message) => {
    if (message === last) return;
    last = message;
    tell(message);
  };
}
