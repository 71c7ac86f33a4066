import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import { toConnectError } from "../../../src/rpc/errors.ts";
import { LinkError } from "./network.ts";

/** An error as it crosses the network: shares nothing with who has thrown it. */
export interface WireError {
  readonly code: Code;
  readonly message: string;
  readonly details: readonly { readonly type: string; readonly value: Uint8Array }[];
}

export function toWireError(thrown: unknown): WireError {
  const { code, rawMessage: message, details } = ConnectError.from(thrown, Code.Internal);
  return {
    code,
    message,
    details: details.map((detail) =>
      "desc" in detail
        ? { type: detail.desc.typeName, value: toBinary(detail.desc, create(detail.desc, detail.value)) }
        : detail,
    ),
  };
}

/** What a transport makes of an error: of the server's word, of a broken connection, or of the caller's end. */
export function toTransportError(error: unknown): ConnectError {
  if (error instanceof LinkError) {
    if (error.unseen) return toConnectError(new OperationError("unavailable", error.message));
    return new ConnectError(error.message, Code.Unavailable);
  }
  if (!isWireError(error)) return ConnectError.from(error, Code.Canceled);
  const told = new ConnectError(error.message, error.code);
  told.details = error.details.map(({ type, value }) => ({ type, value: Uint8Array.from(value) }));
  told.isWireError = true;
  return told;
}

function isWireError(error: unknown): error is WireError {
  return typeof error === "object" && error !== null && !(error instanceof Error) && "details" in error;
}
