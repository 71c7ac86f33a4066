/** What the HTTP/1.1 and the HTTP/2 server of Node have in common. */

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
  // An empty body would be a DATA frame of HTTP/2; without one, the headers end the stream, as gRPC demands.
  if (body === undefined) response.end();
  else response.end(body);
}
