/** Errors for requests that reach no service, in the protocol of the request. */

import { Code } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { codeToString, endStreamFlag } from "@connectrpc/connect/protocol-connect";
import { encodeGrpcMessage } from "./grpc-message.ts";
import type { Request, Response } from "./http.ts";
import { respond } from "./http.ts";

export interface Refusal {
  /** HTTP status of a malformed request. Undefined when only the call cannot be carried out. */
  readonly status?: number;
  readonly code: Code.InvalidArgument | Code.Unimplemented;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How much of a request a message repeats: answers must not grow with requests. */
const repeatedMax = 200;

export function shortened(text: string): string {
  return text.length > repeatedMax ? `${text.slice(0, repeatedMax)}…` : text;
}

/** The content types in which answers can be written, including some in which requests cannot be read. */
const protocols =
  /^application\/(?:(grpc(?:-web(?:-text)?)?)|(connect)(?=\+))(?:\+(?:proto|json)\b)?(?![\w-])/;

export function refuse(request: Request, response: Response, refusal: Refusal): void {
  const { status, code, message, headers } = refusal;
  // The body is not needed, but must be read before the connection can carry the next call.
  request.resume();
  const [contentType = "", isGrpc, isConnectStream] =
    protocols.exec((request.headers["content-type"] ?? "").toLowerCase()) ?? [];
  const error = { code: codeToString(code), message };
  if (isGrpc !== undefined) {
    // Clients look for these in an answer of headers only, before they look at the HTTP status.
    respond(response, status ?? 200, {
      ...headers,
      "Content-Type": contentType,
      "Grpc-Status": String(code),
      "Grpc-Message": encodeGrpcMessage(message),
    });
  } else if (isConnectStream !== undefined && status === undefined) {
    const end = encodeEnvelope(endStreamFlag, new TextEncoder().encode(JSON.stringify({ error })));
    respond(response, 200, { ...headers, "Content-Type": contentType }, end);
  } else {
    const httpStatus = status ?? (code === Code.Unimplemented ? 501 : 400);
    respond(response, httpStatus, { ...headers, "Content-Type": "application/json" }, JSON.stringify(error));
  }
}
