import { statfs } from "node:fs/promises";
import process from "node:process";

/** By the numbers that statfs(2) of Linux has for them. */
const localFileSystems = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0x2fc12fc1, // ZFS
  0xf2f52010, // F2FS
  0x794c7630, // overlayfs: what is written lies on one of the others
  0x01021994, // tmpfs
]);

/**
 * Whether a file lies on a disk of this machine, so that what is written goes into the memory of the system, and what is
 * in memory is read from there. On others (NFS, FUSE, …) each call may wait for somebody else. False if it is not known.
 */
export async function isLocal(path: string): Promise<boolean> {
  if (process.platform !== "linux") return false;
  try {
    return localFileSystems.has((await statfs(path)).type);
  } catch {
    return false;
  }
}
