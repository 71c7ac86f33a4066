import { isIPv6 } from "node:net";
import { ZooKeeperError } from "../errors.ts";
import { checkPath } from "../paths.ts";

export interface ServerAddress {
  /** Name or IP address, without the brackets of IPv6. */
  readonly host: string;
  readonly port: number;
}

export interface ConnectString {
  readonly servers: readonly ServerAddress[];
  /** Path that is the clients' root, or "" for the root itself. */
  readonly chroot: string;
}

/** Where the servers are found: in a list, or by the SRV records of a service name. */
export type ServerSource = { readonly servers: readonly ServerAddress[] } | { readonly service: string };

const DEFAULT_PORT = 2181;
const FORM = "host[:port][,host[:port]...][/chroot]";

/**
 * Parses a ZooKeeper connect string: `host[:port][,host[:port]...][/chroot]`. The default port is 2181. IPv6 addresses
 * stand in brackets. The chroot is the same for all servers. Errors: BAD_ARGUMENTS, naming the wrong part.
 */
export function parseConnectString(connectString: string): ConnectString {
  const slash = connectString.indexOf("/");
  const servers = slash < 0 ? connectString : connectString.slice(0, slash);
  const chroot = slash < 0 ? "/" : connectString.slice(slash);
  // ZooKeeper itself accepts such a path, so that each order of the servers would have a tree of its own.
  if (/[,;]|:\d/.test(chroot)) {
    const shown = JSON.stringify(chroot);
    throw malformed(
      connectString,
      `its chroot ${shown} names servers; it stands once, after the last of them`,
    );
  }
  try {
    checkPath(chroot);
  } catch (cause) {
    throw malformed(connectString, `its chroot ${cause instanceof Error ? cause.message : cause}`);
  }
  return {
    servers: servers.split(",").map((server) => parseServer(server.trim(), connectString)),
    chroot: chroot === "/" ? "" : chroot,
  };
}

/**
 * Parses what a client may be given: a connect string, or `srv:name[/chroot]` for servers that are found by SRV records.
 * Errors: BAD_ARGUMENTS.
 */
export function parseServers(given: string): { readonly source: ServerSource; readonly chroot: string } {
  // The underscore tells it from a server that is named srv, with its port.
  const service = /^srv:(_[\w.-]+)(\/.*)?$/.exec(given);
  if (service !== null) {
    const [, name = "", path = ""] = service;
    // The rest has the form of a connect string with one server.
    const { chroot } = parseConnectString(`host${path}`);
    return { source: { service: name }, chroot };
  }
  const { servers, chroot } = parseConnectString(given);
  return { source: { servers }, chroot };
}

/** `host:port`, with brackets around IPv6, as in a connect string. */
export function formatServer({ host, port }: ServerAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function parseServer(server: string, connectString: string): ServerAddress {
  const wrong = (problem: string) =>
    malformed(connectString, `its server ${JSON.stringify(server)} ${problem}`);
  if (server === "") throw wrong("is empty");
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(server);
  if (bracketed !== null) {
    const [, host = "", port] = bracketed;
    if (!isIPv6(host)) throw wrong("has brackets around what is no IPv6 address");
    return { host, port: parsePort(port, wrong) };
  }
  if (isIPv6(server)) throw wrong(`is an IPv6 address without brackets; write [${server}]:port`);
  const [host = "", port, ...more] = server.split(":");
  if (more.length > 0) throw wrong("has more than one colon");
  if (!/^[\p{L}\p{N}._-]+$/u.test(host)) throw wrong("has no valid host name or address");
  return { host, port: parsePort(port, wrong) };
}

function parsePort(port: string | undefined, wrong: (problem: string) => ZooKeeperError): number {
  if (port === undefined) return DEFAULT_PORT;
  const value = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (value < 1 || value > 65_535) {
    throw wrong(`has the port ${JSON.stringify(port)}; allowed: a number from 1 to 65535`);
  }
  return value;
}

function malformed(connectString: string, problem: string): ZooKeeperError {
  const message = `the ZooKeeper address ${JSON.stringify(connectString)} is wrong: ${problem}; allowed: ${FORM}`;
  return new ZooKeeperError("BAD_ARGUMENTS", message);
}
