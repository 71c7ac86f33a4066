import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import process from "node:process";
import manifest from "../../package.json" with { type: "json" };

/** What an agent stands for. It stays as it is for as long as the process runs. */
export interface AgentIdentity {
  /** Random, so that the agent knows its znodes again. 12 hexadecimal digits. */
  readonly id: string;
  /** Host by which others reach this machine: an IP address, or the name that the node announces. */
  readonly serverIp: string;
  /** `kvlab agent` without a node is an `agent`. */
  readonly role: "router" | "data" | "agent";
  /** The group of a data node, or the name that an operator gave. Empty if there is none. */
  readonly name: string;
  /** `host:port` of the node. Empty if there is none. */
  readonly address: string;
  /** Name that the machine has for itself. */
  readonly host: string;
  readonly pid: number;
  readonly runtime: string;
  readonly runtimeVersion: string;
  /** Version of kvlab. */
  readonly version: string;
  /** Start of the process by the machine's clock, as in RFC 3339. */
  readonly startedAt: string;
}

/** What is known of an agent from outside this process. */
export type AgentPlace = Pick<AgentIdentity, "role" | "serverIp"> &
  Partial<Pick<AgentIdentity, "name" | "address">>;

/** Makes the identity of an agent of this process. `nowMs` is by the machine's clock. */
export function identityOf(place: AgentPlace, nowMs: number): AgentIdentity {
  return {
    id: randomBytes(6).toString("hex"),
    serverIp: place.serverIp,
    role: place.role,
    name: place.name ?? "",
    address: place.address ?? "",
    host: hostname(),
    pid: process.pid,
    ...runtimeOf(),
    version: manifest.version,
    startedAt: new Date(nowMs - process.uptime() * 1000).toISOString(),
  };
}

/** Bun and Deno also name a version of Node.js, which they imitate. */
function runtimeOf(): Pick<AgentIdentity, "runtime" | "runtimeVersion"> {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return { runtime: "bun", runtimeVersion: bun };
  if (deno !== undefined) return { runtime: "deno", runtimeVersion: deno };
  return { runtime: "node", runtimeVersion: node };
}
