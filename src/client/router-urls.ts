import { KvError } from "./errors.ts";

/** The allowed form of a router, for error messages. */
export const routerAllowed = "http://host:port";

/**
 * Parses routers, given as URLs or `host:port`, into `http://host:port`. One or several, also as one comma-separated
 * text. Parts that would be ignored, such as a path, are refused. `schemes`: those that the transport can speak.
 * Errors: KvError `invalid`.
 */
export function parseRouters(given: unknown, schemes: readonly string[] = ["http"]): string[] {
  const texts: unknown[] = Array.isArray(given) ? given : [given];
  const urls = texts.flatMap((text) => {
    // A URL object becomes its text.
    if (typeof text === "string" || text instanceof URL) {
      return String(text)
        .split(",")
        .map((part) => parseRouter(part.trim(), schemes));
    }
    throw new KvError(
      "invalid",
      `a router is given as ${text === null ? "null" : typeof text}; allowed: text, ${routerAllowed}`,
    );
  });
  if (urls.length === 0) throw new KvError("invalid", "there are no routers; at least one is needed");
  return urls;
}

function parseRouter(given: string, schemes: readonly string[]): string {
  const isUrl = given.includes("://");
  const url = URL.parse(isUrl ? given : `http://${given}`);
  const refuse = (problem: string) => {
    // Credentials must not appear in logs.
    const shown = JSON.stringify(given.replace(/^([^/]*\/\/)?[^/]*@/, "$1…@"));
    return new KvError("invalid", `the router ${shown} ${problem}; allowed: ${routerAllowed}`);
  };
  if (url === null || url.hostname === "") throw refuse("is no address");
  const scheme = url.protocol.slice(0, -1);
  if (!schemes.includes(scheme)) {
    throw refuse(scheme === "https" ? "asks for TLS, which is not there yet" : `has the scheme ${scheme}`);
  }
  if (url.username !== "" || url.password !== "") throw refuse("has credentials, which nobody asks for");
  if (url.pathname !== "/") throw refuse(`has the path ${url.pathname}`);
  if (url.search !== "") throw refuse(`has the query ${url.search}`);
  if (url.hash !== "") throw refuse(`has the fragment ${url.hash}`);
  // A URL without a port means the default port of its scheme. A bare host has no default port.
  if (!isUrl && !/:\d+$/.test(given)) throw refuse("has no port");
  if (url.port === "0") throw refuse("has the port 0, at which nobody can be reached");
  return `${scheme}://${url.host}`;
}
