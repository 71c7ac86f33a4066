/** What a request is sent to. */

import type { Request } from "./http.ts";

export interface Target {
  readonly path: string;
  readonly query: string;
  /** Whether it says which host it is meant for, which only HTTP/1.0 need not do (RFC 9112, 3.2). */
  readonly hasHost: boolean;
}

/**
 * A name or address, in brackets or not, and a port; which one it is makes no difference. The HTTP/2 clients of Node and
 * Deno leave the brackets of IPv6 out.
 */
const host = /^(?:\[[^[\]\s]+\]|[\da-f:.]+|[^[\]\s@/?#\\:]*)(?::\d*)?$/i;

/**
 * Also brings the request into the form that Connect's adapter reads: it knows no absolute target (RFC 9112, 3.2.2),
 * which proxies are asked with, and refuses hosts that are no URLs.
 */
export function readTarget(request: Request): Target {
  const [, authority, relative = ""] = /^https?:\/\/([^/?#]*)(.*)$/is.exec(request.url ?? "") ?? [];
  if (authority !== undefined) request.url = relative.startsWith("/") ? relative : `/${relative}`;
  const [, path = "", query = ""] = /^([^?]*)\??(.*)$/s.exec(request.url ?? "") ?? [];
  const isHttp2 = "stream" in request;
  const given = authority ?? (isHttp2 ? request.authority : request.headers.host);
  if (isHttp2) request.headers[":authority"] = anyHost;
  else request.headers.host = anyHost;
  const hasHost = given === undefined ? request.httpVersion === "1.0" : host.test(given);
  return { path, query, hasHost };
}

const anyHost = "localhost";
