import { readdir } from "node:fs/promises";
import { ExitError } from "../settings/run-main.ts";

/**
 * Names of the folders in `datadir` where the nodes of a cluster in one process keep their data, in the order of the
 * nodes. A folder is named after the port that its node had when the cluster was first started there. A node's data
 * does not depend on its port, so that later starts may use other ports. Errors: ExitError (it is unclear which folder
 * belongs to which node).
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
