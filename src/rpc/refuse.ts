/** Errors for requests that no service ever sees, in the protocol in which the client asked. */

import type { ConnectError } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { Request, Response } from "./http.ts";
import { respond } from "./http.ts";

/** Status line of an error in the Connect protocol: https://connectrpc.com/docs/protocol/#error-codes */
const httpStatus: Partial<Record<Code, number>> = { [Code.InvalidArgument]: 400, [Code.Unimplemented]: 501 };

export function refuse(request: Request, response: Response, error: ConnectError): void {
  const type = request.headers["content-type"] ?? "";
  // What was sent with it is of no use, but has to be read before the connection can carry the next call.
  request.resume();
  if (type.startsWith("application/grpc")) {
    // A response of trailers only, which both gRPC and gRPC-Web allow.
    respond(response, 200, {
      "Content-Type": type,
      "Grpc-Status": String(error.code),
      "Grpc-Message": encodeURIComponent(error.rawMessage),
    });
  } else {
    const body = { code: codeToString(error.code), message: error.rawMessage };
    respond(
      response,
      httpStatus[error.code] ?? 500,
      { "Content-Type": "application/json" },
      JSON.stringify(body),
    );
  }
}
