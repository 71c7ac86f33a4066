import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** File systems of their own, to be filled or frozen. Making them takes root, and programs that Linux has. */
export interface Mounts {
  /** In memory. Returns where it is. */
  tmpfs(name: string, kilobytes: number): Promise<string>;
  resize(path: string, kilobytes: number): Promise<void>;
  /** On a device: what can hang or be frozen. Returns where it is. */
  ext4(name: string, megabytes: number): Promise<string>;
  /** From now on its device answers nothing: every sync hangs; what is in memory can be read and written. */
  hang(path: string): Promise<void>;
  /** From now on every write and sync there hangs; reads do not. As while somebody makes a snapshot of the device. */
  freeze(path: string): Promise<void>;
  /** Ends both. */
  thaw(path: string): Promise<void>;
  /** Thaws, unmounts and removes everything. */
  close(): Promise<void>;
}

export async function makeMounts(): Promise<Mounts> {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-mounts-"));
  const mounted: string[] = [];
  const frozen = new Set<string>();
  const makeExt4 = async (path: string, image: string, megabytes: number) => {
    await run("mkdir", [path]);
    await run("truncate", ["-s", `${megabytes}m`, image]);
    await run("mkfs.ext4", ["-q", image]);
    await run("mount", ["-o", "loop", image, path]);
    mounted.push(path);
  };
  const mounts: Mounts = {
    async tmpfs(name, kilobytes) {
      const path = join(folder, name);
      await run("mkdir", [path]);
      await run("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", path]);
      mounted.push(path);
      return path;
    },
    async resize(path, kilobytes) {
      await run("mount", ["-o", `remount,size=${kilobytes}k`, path]);
    },
    async ext4(name, megabytes) {
      const path = join(folder, name);
      // The device is a file in another file system, and answers nothing while that is frozen.
      await makeExt4(deviceOf(path), `${deviceOf(path)}.image`, 2 * megabytes + 8);
      await makeExt4(path, join(deviceOf(path), "image"), megabytes);
      return path;
    },
    hang: (path) => mounts.freeze(deviceOf(path)),
    async freeze(path) {
      await run("fsfreeze", ["-f", path]);
      frozen.add(path);
    },
    async thaw(path) {
      for (const each of [deviceOf(path), path]) {
        if (frozen.delete(each)) await run("fsfreeze", ["-u", each]);
      }
    },
    async close() {
      for (const path of frozen) await run("fsfreeze", ["-u", path]);
      for (const path of mounted.toReversed()) await run("umount", ["-l", path]);
      await rm(folder, { recursive: true, force: true });
    },
  };
  return mounts;
}

function deviceOf(path: string): string {
  return `${path}.device`;
}

/** Why no file systems can be made here; false when they can. */
export async function cannotMount(): Promise<string | false> {
  const mounts = await makeMounts();
  try {
    await mounts.ext4("trial", 8);
    return false;
  } catch (error) {
    return `file systems cannot be mounted here: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await mounts.close();
  }
}
