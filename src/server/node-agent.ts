import { runAgent } from "../agent/agent.ts";
import { identityOf } from "../agent/identity.ts";
import { defaultIntervalMs } from "../agent/interval.ts";
import { loadReader } from "../agent/load.ts";
import type { SessionSource } from "../cluster/metadata/session-keeper.ts";
import type { Address } from "../common/address.ts";
import { messageOf } from "../common/message-of.ts";
import type { ServerOptions } from "./server.ts";

/** The node that an agent reports for. */
interface NodePlace {
  readonly role: "router" | "data";
  /** The group of a data node. */
  readonly name?: string;
  readonly address: Address;
  /** Of a data node: where its data is. */
  readonly folder?: string;
}

/** Runs the agent of a server in the server's sessions, unless it is to have none. Never throws. */
export function runNodeAgent(
  { agent = true, clock, access, log }: ServerOptions,
  sessions: SessionSource,
  { folder, ...place }: NodePlace,
): void {
  if (!agent) return;
  try {
    const serverIp = new URL(`http://${place.address}`).hostname.replace(/^\[|\]$/g, "");
    runAgent({
      sessions,
      clock,
      access,
      identity: identityOf({ ...place, serverIp }, clock.wallMs()),
      readLoad: loadReader(clock, folder),
      intervalMs: defaultIntervalMs,
      onDiagnostic: log,
    });
  } catch (error) {
    // A system that does not tell its name is no reason for a server to end.
    log(`agent: it does not run: ${messageOf(error)}`);
  }
}
