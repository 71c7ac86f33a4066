/** Of a message in the query of a GET: https://connectrpc.com/docs/protocol/#unary-get-request */
const known = ["connect", "encoding", "message", "base64", "compression"];

/**
 * What is wrong with the query of a URL, in words; undefined when nothing is. Nothing of it is passed over: whoever
 * writes a condition there takes it for one. A POST has everything in its body.
 */
export function problemWithQuery(method: string | undefined, query: string): string | undefined {
  if (query === "") return undefined;
  try {
    // By default what is not UTF-8 would become U+FFFD: another key than was meant.
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
