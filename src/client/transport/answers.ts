/** What both kinds of calls say of an answer that is not as it should be. */

import type { ClientHttp2Stream } from "node:http2";
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { messageOf } from "../../common/message-of.ts";

/** The message in these bytes. Errors: ConnectError. */
export function parsed<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new ConnectError(`parse binary: ${messageOf(error)}`, Code.Internal, undefined, undefined, error);
  }
}

export function tooLong(what: "request" | "answer", messageBytesMax: number): ConnectError {
  return new ConnectError(`the ${what} has more than ${messageBytesMax} bytes`, Code.ResourceExhausted);
}

export function brokenOff({ rstCode }: ClientHttp2Stream): ConnectError {
  return new ConnectError(`the answer broke off (HTTP/2 code ${rstCode})`, Code.Unavailable);
}
