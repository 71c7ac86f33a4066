import { joinHostPort } from "../../../common/address.ts";
import { ZooKeeperError } from "../../errors.ts";
import { parseObject } from "../parse-object.ts";
import { toJson } from "../to-json.ts";

/** A request may have 1 MiB. What is left is for the paths. */
const INSTANCE_BYTES_MAX = 1_000_000;

/** One process that offers a service. */
export interface ServiceInstance {
  readonly name: string;
  /** Differs from that of all other instances of the service. */
  readonly id: string;
  /** A host name or IP address, without brackets. */
  readonly address: string;
  readonly port: number;
  /** `address:port`, with brackets around an IPv6 address. */
  readonly hostPort: string;
  /** Anything else that its users need, as JSON. */
  readonly metadata: unknown;
  /** One that is not is left out when an instance is chosen. */
  readonly isHealthy: boolean;
  /** When it was registered first, in milliseconds since 1970 on its own clock. */
  readonly registeredMs: number;
}

/** The fields of an instance that are not made of others. */
export type ServiceFields = Omit<ServiceInstance, "hostPort">;

/**
 * The JSON of Curator's ServiceInstance (curator-x-discovery, JsonInstanceSerializer), which takes no other fields: its
 * `payload` is our metadata, and `enabled` our health. Its readers leave out what is not enabled, too. Errors:
 * BAD_ARGUMENTS, for metadata that JSON cannot have, or that are too long.
 */
export function encodeInstance(instance: ServiceFields): Uint8Array {
  const { name, id, address, port, metadata, isHealthy, registeredMs } = instance;
  const json = {
    name,
    id,
    address,
    port,
    sslPort: null,
    payload: metadata ?? null,
    registrationTimeUTC: registeredMs,
    serviceType: "DYNAMIC",
    uriSpec: null,
    enabled: isHealthy,
  };
  const data = toJson("the instance", json);
  if (data.length <= INSTANCE_BYTES_MAX) return data;
  const problem = `has ${data.length} bytes as JSON; allowed: ${INSTANCE_BYTES_MAX} at most`;
  throw new ZooKeeperError("BAD_ARGUMENTS", `the instance ${problem}`);
}

/** Undefined when it is none of an instance that can be reached. Those of Curator may have only a port for TLS. */
export function decodeInstance(data: Uint8Array): ServiceInstance | undefined {
  const { name, id, address, port, sslPort, payload, registrationTimeUTC, enabled } = parseObject(data);
  const usedPort = isPort(port) ? port : sslPort;
  if (typeof name !== "string" || typeof id !== "string" || typeof address !== "string") return undefined;
  if (!isPort(usedPort)) return undefined;
  return {
    name,
    id,
    address,
    port: usedPort,
    hostPort: joinHostPort(address, usedPort),
    metadata: payload ?? null,
    // Curator leaves it out by default, and before 3.3 and 2.12 does not know it.
    isHealthy: enabled !== false,
    registeredMs: typeof registrationTimeUTC === "number" ? registrationTimeUTC : 0,
  };
}

function isPort(port: unknown): port is number {
  return typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65_535;
}
