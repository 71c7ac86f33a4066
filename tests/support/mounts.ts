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
  /** On a device: what can be frozen. Returns where it is. */
  ext4(name: string, megabytes: number): Promise<string>;
  /** From now on every write and sync there hangs; reads do not. */
  freeze(path: string): Promise<void>;
  thaw(path: string): Promise<void>;
  /** Thaws, unmounts and removes everything. */
  close(): Promise<void>;
}

export async function makeMounts(): Promise<Mounts> {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-mounts-"));
  const mounted: string[] = [];
  const frozen = new Set<string>();
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
      const image = `${path}.image`;
      await run("mkdir", [path]);
      await run("truncate", ["-s", `${megabytes}m`, image]);
      await run("mkfs.ext4", ["-q", image]);
      await run("mount", ["-o", "loop", image, path]);
      mounted.push(path);
      return path;
    },
    async freeze(path) {
      await run("fsfreeze", ["-f", path]);
      frozen.add(path);
    },
    async thaw(path) {
      await run("fsfreeze", ["-u", path]);
      frozen.delete(path);
    },
    async close() {
      for (const path of frozen) await mounts.thaw(path);
      for (const path of mounted) await run("umount", ["-l", path]);
      await rm(folder, { recursive: true, force: true });
    },
  };
  return mounts;
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
