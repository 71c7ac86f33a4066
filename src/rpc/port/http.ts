/** The common part of Node's HTTP/1.1 and HTTP/2 servers. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";

export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

export function respond(
  response: Response,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body?: string | Uint8Array,
): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.statusCode = status;
  // In HTTP/2 an empty body would be a DATA frame. Without one the headers end the stream, as gRPC requires.
  if (body === undefined) response.end();
  else response.end(body);
}
