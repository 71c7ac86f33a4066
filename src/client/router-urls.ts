import { KvError } from "./errors.ts";

/** What a program may give for a router, in the words of an error. */
export const routerAllowed = "http://host:port";

/**
 * Routers as `http://host:port`, from URLs or `host:port`, one or several, also several in one text with commas between.
 * What would be passed over in silence, such as a path, is refused. `schemes`: those that can be spoken.
 * Errors: KvError `invalid`.
 */
export function parseRouters(given: unknown, schemes: readonly string[] = ["http"]): string[] {
  const texts: unknown[] = Array.isArray(given) ? given : [given];
  const urls = texts.flatMap((text) => {
    // A URL object says what it is as text.
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
    // Credentials belong into no log.
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
  // A URL without a port means that of its scheme; nobody means that who writes no URL.
  if (!isUrl && !/:\d+$/.test(given)) throw refuse("has no port");
  if (url.port === "0") throw refuse("has the port 0, at which nobody can be reached");
  return `${scheme}://${url.host}`;
}
