declare const proven: unique symbol;

/**
 * The address at which others reach a server: `host:port`, with a host name, an IPv4 address, or an IPv6 address in
 * brackets. Every runtime accepts it in a URL, it means the same on every machine, and equal addresses are equal texts.
 * Only `parseAddress` makes one.
 */
export type Address = string & { readonly [proven]: true };

/** What is allowed as an address, to end the sentence "allowed: …". */
export const addressAllowed =
  "host:port, with brackets around an IPv6 address; neither a wildcard (0.0.0.0, ::) nor with a zone (%eth0), " +
  "which mean something on this machine only";

/** Parses an address. Undefined when the text is not one. */
export function parseAddress(text: string): Address | undefined {
  const [, given = "", digits = ""] = /^([\w.:[\]-]{1,255}):(\d{1,5})$/.exec(text) ?? [];
  const host = canonicalHost(given);
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return `${host}:${port}` as Address;
}

/** `host:port`, with brackets around IPv6, as in URLs. The host may be one that others cannot reach. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Labels of letters, digits, hyphens and, as in names of containers, underscores. */
const hostName = /^(?!-)[a-z\d_-]{1,63}(\.[a-z\d_-]{1,63})*$/;
const ipv6 = /^\[[\da-f:.]+\]$/;

/** A host as URLs write it. Undefined when others cannot reach it. */
function canonicalHost(given: string): string | undefined {
  const lower = given.toLowerCase();
  const isIpv6 = ipv6.test(lower);
  if (!isIpv6 && !hostName.test(lower)) return undefined;
  const url = `http://${lower}`;
  // The last word is that of the links. They take a name that ends in a number for IPv4, and most such for none.
  const host = URL.canParse(url) ? new URL(url).hostname : "";
  if (host === "" || (!isIpv6 && host !== lower) || isLocal(host)) return undefined;
  return host;
}

/** Wildcards, multicast, and link-local addresses, which need a zone. */
function isLocal(host: string): boolean {
  const first = /^(\d+)(\.\d+){3}$/.exec(host)?.[1];
  if (first !== undefined) return Number(first) === 0 || Number(first) >= 224;
  return /^\[(::\]|::ffff:0:|fe[89ab].:|ff..:)/.test(host);
}
