import { create, type DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import type { CallRoom } from "../call-room.ts";

/** Nearly twice the longest message between nodes, and 64 times the longest value that is allowed by default. */
export const defaultHeldBytesMax = 256 * 1024 * 1024;

/**
 * Bytes that a server holds for the calls of one connection: of each its request, as far as it has come, and then its
 * answer, until the client has read it. The number of calls alone bounds no memory.
 */
export class HeldBytes {
  readonly max: number;
  #sum = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** Changes the share of a call. Returns whether there is room for that. */
  change(from: number, to: number): boolean {
    const sum = this.#sum - from + to;
    if (to > from && sum > this.max) return false;
    this.#sum = sum;
    return true;
  }
}

/** The error of a call that finds no room: one that has not begun, or a read. */
export function noRoom(heldBytesMax: number): ConnectError {
  const reason = `requests and unread answers of a connection may have ${heldBytesMax} bytes together: read answers first`;
  const notApplied = { desc: NotAppliedSchema, value: create(NotAppliedSchema) };
  return new ConnectError(reason, Code.ResourceExhausted, undefined, [notApplied]);
}

/**
 * Holds the answer of a unary call. Errors: RESOURCE_EXHAUSTED (there is no room, and the call can be repeated). The answer
 * to a write must not be lost. It is short, and that of an Exchange has only the reads for which there was room.
 */
export function holdAnswer(room: CallRoom, { idempotency }: DescMethod, bytes: number): void {
  if (idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) room.require(bytes);
  else room.hold(bytes);
}
