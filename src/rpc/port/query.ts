/** Of a message in the query of a GET: https://connectrpc.com/docs/protocol/#unary-get-request */
const known = ["connect", "encoding", "message", "base64", "compression"];

/**
 * What is wrong with the query of a URL, or undefined. Nothing in it is ignored, because a caller may have written a
 * condition there. A POST has everything in its body.
 */
export function problemWithQuery(method: string | undefined, query: string): string | undefined {
  if (query === "") return undefined;
  try {
    // By default bytes that are not UTF-8 become U+FFFD, and so another key.
    decodeURIComponent(query);
  } catch {
    return "the query is not UTF-8";
  }
  const allowed = method === "GET" ? known : [];
  const seen = new Set<string>();
  for (const name of new URLSearchParams(query).keys()) {
    if (!allowed.includes(name)) {
      const words = allowed.length > 0 ? allowed.join(", ") : "none, the request is in the body";
      return `the query has ${JSON.stringify(name)}; allowed: ${words}`;
    }
    if (seen.has(name)) return `the query has ${JSON.stringify(name)} twice; allowed: once`;
    seen.add(name);
  }
  return undefined;
}
