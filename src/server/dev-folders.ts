import { readdir } from "node:fs/promises";
import { ExitError } from "../settings/run-main.ts";

/**
 * Names of the folders in `datadir` in which the nodes of the cluster of one process keep their data, in their order: the
 * ports that the nodes had when the cluster was first started there. What a node keeps does not depend on its port, so
 * later starts may give others. Errors: ExitError, when it cannot be told which folder is whose.
 */
export async function nodeFolders(datadir: string, dataport: number, count: number): Promise<string[]> {
  const wanted = Array.from({ length: count }, (_, index) => String(dataport + index));
  const found = (await readdir(datadir)).filter((name) => /^[1-9]\d{0,4}$/.test(name));
  found.sort((a, b) => Number(a) - Number(b));
  if (found.every((name) => wanted.includes(name))) return wanted;
  if (wanted.every((name) => found.includes(name))) return wanted;
  if (found.length === count) return found;
  throw new ExitError(
    2,
    `dataport ${dataport}: datadir ${datadir} has the folders ${found.join(", ")} of nodes at other ports; ` +
      "allowed is the dataport that the cluster there was begun with, or another datadir",
  );
}
