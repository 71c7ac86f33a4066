import { isIPv6 } from "node:net";
import type { ServerAddress } from "./connect-string.ts";

/** A member in a configuration: its addresses for the other members, and after `;` that for clients. */
const MEMBER = /^server\.\d+[ \t]*=[ \t]*([^;\n]+);(.+)$/gm;
/** `[address:]port` */
const CLIENT_ADDRESS = /^(?:(.+):)?(\d{1,5})$/;

/**
 * The addresses for clients that a configuration of an ensemble names ("Dynamic Reconfiguration" in ZooKeeper's guide):
 * `server.<number>=<host>:<port>:<port>[:<role>];[<address>:]<client port>` for each member. A member that listens on all
 * its addresses is known by the one for the other members. Members without a port for clients are left out, and so are
 * those of which no address is known.
 */
export function membersOf(config: string): ServerAddress[] {
  const members: ServerAddress[] = [];
  for (const [, peers = "", clients = ""] of config.matchAll(MEMBER)) {
    const [, address = "", digits = ""] = CLIENT_ADDRESS.exec(clients.trim()) ?? [];
    const port = Number(digits);
    const host = [hostOf(address), hostOf(peers)].find(isSpecific);
    if (host !== undefined && port >= 1 && port <= 65_535) members.push({ host, port });
  }
  return members;
}

/** What comes before the first port, without the brackets of IPv6. */
function hostOf(address: string): string {
  const [, bracketed, plain = ""] = /^\s*(?:\[([^\]]*)\]|([^:|\s]*))/.exec(address) ?? [];
  return bracketed ?? plain;
}

/** Whether it names one machine, not all addresses of some machine. */
function isSpecific(host: string): boolean {
  return host !== "" && host !== "0.0.0.0" && !(isIPv6(host) && /^[0:]+$/.test(host));
}
