import { basename, dirname } from "node:path";
import { Appender } from "./appender.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { smallChunkBytes } from "./scan.ts";

/**
 * What is cut off a log stays in a file beside it, `<dbfile>.cut-<number>`, the newest with the highest number. Of
 * these the newest 8 are kept, while they have 64 MiB together; the newest one in any case.
 */
const filesMax = 8;
const bytesMax = 64 * 1024 * 1024;

/** The name of the next one. */
export async function nameForKept(disk: Disk, path: string): Promise<string> {
  const [newest = 0] = await numbersOf(disk, path);
  return keptName(path, newest + 1);
}

/**
 * Writes `head`, and what stands in the file from `from` to `to`, durably to a file beside the log at `path`. Returns
 * its name. Removes older ones.
 */
export async function keepBeside(
  disk: Disk,
  path: string,
  head: string,
  { file, from, to }: { readonly file: DiskFile; readonly from: number; readonly to: number },
): Promise<string> {
  const name = await nameForKept(disk, path);
  const target = await disk.open(name, "create");
  try {
    const appender = new Appender(target, 0);
    appender.addLine(head);
    for (let at = from; at < to; at += smallChunkBytes) {
      const part = Buffer.alloc(Math.min(smallChunkBytes, to - at));
      await file.read(part, at);
      appender.addBytes(part);
      await appender.flush();
    }
    await appender.flush();
    await target.datasync();
  } catch (error) {
    await disk.remove(name);
    throw error;
  } finally {
    await target.close();
  }
  await disk.syncDirectory(name);
  await removeOlder(disk, path);
  return name;
}

async function removeOlder(disk: Disk, path: string): Promise<void> {
  let bytes = 0;
  for (const [index, number] of (await numbersOf(disk, path)).entries()) {
    const name = keptName(path, number);
    bytes += (await disk.look(name))?.bytes ?? 0;
    if (index > 0 && (index >= filesMax || bytes > bytesMax)) await disk.remove(name);
  }
}

function keptName(path: string, number: number): string {
  return `${path}.cut-${number}`;
}

/** The highest first. */
async function numbersOf(disk: Disk, path: string): Promise<number[]> {
  const prefix = basename(keptName(path, 0)).slice(0, -1);
  const numbers = (await disk.list(dirname(path))).flatMap((name) => {
    const digits = name.startsWith(prefix) ? name.slice(prefix.length) : "";
    return /^[1-9]\d{0,8}$/.test(digits) ? Number(digits) : [];
  });
  return numbers.sort((a, b) => b - a);
}
