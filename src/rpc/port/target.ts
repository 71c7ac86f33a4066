/** The target of a request. */

import type { Request } from "./http.ts";

export interface Target {
  readonly path: string;
  readonly query: string;
  /** Whether it names a host. Only HTTP/1.0 may omit it (RFC 9112, 3.2). */
  readonly hasHost: boolean;
}

/**
 * A name or address, with or without brackets, and a port. Its value does not matter. The HTTP/2 clients of Node and
 * Deno omit the brackets of IPv6.
 */
const host = /^(?:\[[^[\]\s]+\]|[\da-f:.]+|[^[\]\s@/?#\\:]*)(?::\d*)?$/i;

/**
 * Also rewrites the request for Connect's adapter, which does not know absolute targets (RFC 9112, 3.2.2), as proxies
 * get them, and refuses hosts that are not URLs.
 */
export function readTarget(request: Request): Target {
  const [, authority, relative = ""] = /^https?:\/\/([^/?#]*)(.*)$/is.exec(request.url ?? "") ?? [];
  if (authority !== undefined) request.url = relative.startsWith("/") ? relative : `/${relative}`;
  const [, path = "", query = ""] = /^([^?]*)\??(.*)$/s.exec(request.url ?? "") ?? [];
  const isHttp2 = "stream" in request;
  const given = authority ?? (isHttp2 ? request.authority : request.headers.host);
  if (isHttp2) request.headers[":authority"] = anyHost;
  else request.headers.host = anyHost;
  const hasHost = given === undefined ? request.httpVersion === "1.0" : isHost(given);
  return { path, query, hasHost };
}

/** Whether a client may have this for the host and port of its server. */
export function isHost(authority: string): boolean {
  return host.test(authority);
}

const anyHost = "localhost";
