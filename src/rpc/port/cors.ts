/** Cross-origin requests of browsers: https://fetch.spec.whatwg.org/#http-cors-protocol */

import { cors } from "@connectrpc/connect";
import type { Request, Response } from "./http.ts";
import { respond } from "./http.ts";

/** Origins (`https://example.org`) whose pages may call, or every one. */
export type AllowedOrigins = "any" | readonly string[];

/** Browsers repeat a preflight after this time. It is the longest that Chromium accepts. */
const maxAgeSeconds = 7_200;

const allowedMethods = cors.allowedMethods.join(", ");
/** Besides the fields of the protocols, those that say how a refused request should have been. */
const exposedHeaders = [...cors.exposedHeaders, "Grpc-Encoding", "Accept-Post", "Allow"].join(", ");

/** Lets the pages of allowed origins read the answer. Returns true when the request was a preflight, now answered. */
export function answerCors({
  request,
  response,
  origin,
  allowed,
}: {
  request: Request;
  response: Response;
  /** Where the page comes from, as its browser says. */
  origin: string;
  allowed: AllowedOrigins;
}): boolean {
  if (allowed !== "any") response.setHeader("Vary", "Origin");
  if (allowed === "any" || allowed.includes(origin)) {
    response.setHeader("Access-Control-Allow-Origin", allowed === "any" ? "*" : origin);
    response.setHeader("Access-Control-Expose-Headers", exposedHeaders);
  }
  const preflight =
    request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined;
  if (!preflight) return false;
  respond(response, 204, {
    "Access-Control-Allow-Methods": allowedMethods,
    // All requested fields are allowed: tracing, authentication and proxies add fields of their own, and none has an
    // effect here.
    "Access-Control-Allow-Headers": String(request.headers["access-control-request-headers"] ?? "*"),
    "Access-Control-Max-Age": String(maxAgeSeconds),
    Vary: allowed === "any" ? "Access-Control-Request-Headers" : "Origin, Access-Control-Request-Headers",
  });
  return true;
}
