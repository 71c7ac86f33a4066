import process from "node:process";
import { ForeignCluster } from "../cluster/metadata/cluster-id.ts";
import { LogFileError } from "../cluster/storage/errors.ts";
import { messageOf } from "../common/message-of.ts";
import { CoordinationError } from "../coordination/coordination.ts";
import { ListenError } from "../rpc/port/start-listening.ts";
import { NOT_ALLOWED, SERVER_FAILED } from "../settings/exit-codes.ts";
import { SettingError } from "../settings/read-settings.ts";
import { ExitError } from "../settings/run-main.ts";
import { ForeignLog } from "./data-server.ts";
import { limitGarbage } from "./limit-garbage.ts";
import type { Server } from "./server.ts";

// Used by all entry points that run servers.

/** Writes lines for operators to standard error, with their time. `who` names the server if one process runs several. */
export function logger(who = ""): (message: string) => void {
  const prefix = who === "" ? "" : `${who}: `;
  return (message) => process.stderr.write(`${new Date().toISOString()} ${prefix}${message}\n`);
}

/**
 * Runs servers until the process gets SIGTERM or SIGINT, or one of them fails. Then it stops them all. `start` adds each
 * server to `servers` as it starts, so that all are stopped when a later one cannot start. A second signal ends the
 * process at once. Rejects with an ExitError of the failure, or with the SettingError that `start` rejects with.
 */
export async function runServers(start: (servers: Server[]) => Promise<void>): Promise<void> {
  limitGarbage();
  const servers: Server[] = [];
  const stopSignal = nextStopSignal();
  try {
    await Promise.race([start(servers), stopSignal]);
    await Promise.race([stopSignal, ...servers.map((server) => server.failed)]);
  } catch (error) {
    if (error instanceof ExitError || error instanceof SettingError) throw error;
    const message = messageOf(error);
    throw new ExitError(isUnusableSetting(error) ? NOT_ALLOWED : SERVER_FAILED, message, { cause: error });
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

function nextStopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let told = false;
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      process.on(name, () => {
        if (told) process.exit(1);
        told = true;
        resolve();
      });
    }
  });
}

function isUnusableSetting(error: unknown): boolean {
  return (
    error instanceof ListenError ||
    error instanceof LogFileError ||
    error instanceof ForeignLog ||
    error instanceof ForeignCluster ||
    CoordinationError.is(error, "BAD_ARGUMENTS", "AUTH_FAILED")
  );
}
