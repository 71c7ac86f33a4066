import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs something with a new folder, and removes that at the end, also when a signal ends this process before. */
export async function withTemporaryFolder(name, run) {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  // What a signal has killed may write for a moment longer.
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once("exit", remove);
  try {
    return await run(folder);
  } finally {
    process.off("exit", remove);
    remove();
  }
}
