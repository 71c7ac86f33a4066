import process from "node:process";
import type { Server } from "./server.ts";

/** Lines for operators go to standard error, each with its time; `who` tells apart what runs in one process. */
export function logger(who = ""): (message: string) => void {
  const prefix = who === "" ? "" : `${who}: `;
  return (message) => process.stderr.write(`${new Date().toISOString()} ${prefix}${message}\n`);
}

/**
 * Runs servers until the process is told to end (SIGTERM, SIGINT) or one of them fails; then stops them all.
 * A second signal ends the process at once. Rejects with the failure.
 */
export async function runServers(servers: readonly Server[]): Promise<void> {
  let told = false;
  const signalled = new Promise<void>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      process.on(name, () => {
        if (told) process.exit(1);
        told = true;
        resolve();
      });
    }
  });
  try {
    await Promise.race([signalled, ...servers.map((server) => server.failed)]);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}
