import type { Disk } from "../disk/disk.ts";

/** A name, not taken yet, for what is bad of a log. */
export async function nameForDamaged(disk: Disk, path: string): Promise<string> {
  let number = 1;
  while ((await disk.look(`${path}.damaged-${number}`)) !== undefined) number++;
  return `${path}.damaged-${number}`;
}
