import type { DataAndStat } from "../operations/reads.ts";
import type { CallOptions } from "../options.ts";
import { childOf } from "../paths.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { unlessMissing } from "./missing.ts";

/** Reads under way at once. */
const READS_MAX = 100;

/** A znode that was read. */
export interface ZnodeRead extends DataAndStat {
  readonly name: string;
  readonly path: string;
}

/** Reads children, but for those that do not exist any more, in the order of their names here. */
export async function readAll(
  client: ZooKeeper,
  parent: string,
  names: readonly string[],
  options: CallOptions,
): Promise<ZnodeRead[]> {
  const found: ZnodeRead[] = [];
  for (let begin = 0; begin < names.length; begin += READS_MAX) {
    const reads = names.slice(begin, begin + READS_MAX).map(async (name) => {
      const path = childOf(parent, name);
      const read = await unlessMissing(client.get(path, options));
      return read && { name, path, ...read };
    });
    for (const read of await Promise.all(reads)) if (read !== undefined) found.push(read);
  }
  return found;
}
