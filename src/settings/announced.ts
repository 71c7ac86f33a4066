import { networkInterfaces } from "node:os";
import { type Address, joinHostPort, parseAddress } from "../common/address.ts";
import { SettingError } from "./read-settings.ts";

/**
 * The address at which others reach a server: the announced address, else the address it listens on. A server that
 * listens on all addresses is reached at the first one that is not loopback. Errors: SettingError (there is no such
 * address).
 */
export function announcedAddress(settings: {
  readonly serverip: string;
  readonly serverport: number;
  readonly announce?: Address | undefined;
}): Address {
  const { serverip, serverport, announce } = settings;
  if (announce !== undefined) return announce;
  const host = hostOf(serverip);
  const address = host === undefined ? undefined : parseAddress(joinHostPort(host, serverport));
  if (address !== undefined) return address;
  const reason =
    host === undefined
      ? "this machine has no address but loopback"
      : "it means something on this machine only, so that it cannot be announced";
  const hint = "announce" in settings ? ", or the setting announce (host:port) beside it" : "";
  throw new SettingError(
    `serverip is ${JSON.stringify(serverip)}: ${reason}; allowed: an address that others can reach${hint}`,
  );
}

/**
 * Where others reach a machine whose servers listen on `serverip`: if that means all addresses, at the first one that is not
 * loopback. Undefined when there is none.
 */
export function hostOf(serverip: string): string | undefined {
  return isWildcard(serverip) ? firstOuterAddress() : serverip;
}

/** The first address that is not loopback, IPv4 if there is one. */
export function firstOuterAddress(): string | undefined {
  const outer = Object.values(shownInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, address }) => !internal && parseAddress(joinHostPort(address, 1)) !== undefined);
  return (outer.find(({ family }) => family === "IPv4") ?? outer[0])?.address;
}

/** None where the system hides them: from a systemd unit without AF_NETLINK, or on Android. */
function shownInterfaces(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch {
    return {};
  }
}

/** Whether it means all addresses of the machine, in any notation. */
function isWildcard(host: string): boolean {
  const url = `http://${joinHostPort(host, 1)}`;
  const { hostname } = URL.canParse(url) ? new URL(url) : { hostname: "" };
  return ["0.0.0.0", "[::]", "[::ffff:0:0]"].includes(hostname);
}
