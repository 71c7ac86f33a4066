import { formatControlLine, type Header } from "../format/control-line.ts";
import type { LogState } from "../state.ts";

/** The first line of the new file at `rbfile`, which is there already. */
export async function headerOfDraft(
  { options }: LogState,
  { identity, life, snapshot }: Pick<Header, "identity" | "life" | "snapshot">,
): Promise<string> {
  const fileId = (await options.disk.look(options.rbfile))?.fileId;
  return formatControlLine({ kind: "header", identity, fileId, life, snapshot });
}

/**
 * Makes the synced file at `rbfile` the log. `swap` gives it to the state, in the turn in which reads begin to go there.
 * A failure is fatal: nobody knows then which of the two files a restart will find.
 */
export async function replaceLog(state: LogState, swap: () => void): Promise<void> {
  const { disk, rbfile, dbfile } = state.options;
  try {
    await disk.rename(rbfile, dbfile);
    await disk.syncDirectory(dbfile);
  } catch (error) {
    throw state.health.fail("replace", error);
  }
  const before = state.file;
  swap();
  // Not waited for: to free the blocks of a large file takes a file system a fifth of a second.
  before.release().catch(() => {});
}
