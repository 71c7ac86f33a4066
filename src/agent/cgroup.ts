import { join } from "node:path";
import { numberIn, readSystemFile, wholeNumber } from "./system-files.ts";

/** What the container of this process may use, and uses. Absent where it has no limit. */
export interface ContainerLimits {
  readonly memory?: {
    readonly limitBytes: number;
    /** Without what the kernel can take back at once: file contents that were not used lately. */
    readonly usedBytes: number;
  };
  readonly cpu?: {
    /** CPUs that it may use at a time, as 1.5. */
    readonly cpus: number;
    /** CPU time that it has used since it was made. */
    readonly usedMs: number;
  };
}

/** A folder of the cgroup file system with its limit. */
interface Limited {
  readonly folder: string;
  readonly limit: number;
}

/** Where limits and use stand in one version of cgroups. */
interface CgroupFiles {
  readonly memoryLimit: (folder: string) => number | undefined;
  readonly memoryUsed: (folder: string) => number | undefined;
  readonly cpus: (folder: string) => number | undefined;
  readonly cpuUsedMs: (folder: string) => number | undefined;
}

const mount = "sys/fs/cgroup";

/**
 * Reads the limits of this process's cgroup, of version 2 or 1 (Linux, Documentation/admin-guide/cgroup-v2.rst and
 * cgroup-v1). A cgroup is also bound by the limits of those that it lies in, so the least one counts, with the use of the
 * cgroup that has it. `root` is the folder with proc and sys.
 */
export function readContainerLimits(root: string): ContainerLimits {
  const paths = controllerPaths(readSystemFile(join(root, "proc/self/cgroup")) ?? "");
  const at = (controller: string) => {
    const path = paths.get(controller);
    // A controller that no hierarchy of version 1 has is in the one of version 2.
    return path === undefined
      ? { files: version2, folders: levels(join(root, mount), paths.get("") ?? "/") }
      : { files: version1, folders: levels(join(root, mount, controller), path) };
  };
  return { ...memoryOf(at("memory")), ...cpuOf(at("cpu")) };
}

interface Hierarchy {
  readonly files: CgroupFiles;
  /** From the cgroup of the process upwards. */
  readonly folders: readonly string[];
}

function memoryOf({ files, folders }: Hierarchy): Pick<ContainerLimits, "memory"> {
  const found = least(folders, files.memoryLimit);
  const usedBytes = found && files.memoryUsed(found.folder);
  return usedBytes === undefined ? {} : { memory: { limitBytes: found?.limit ?? 0, usedBytes } };
}

function cpuOf({ files, folders }: Hierarchy): Pick<ContainerLimits, "cpu"> {
  const found = least(folders, files.cpus);
  const usedMs = found && files.cpuUsedMs(found.folder);
  return usedMs === undefined ? {} : { cpu: { cpus: found?.limit ?? 0, usedMs } };
}

/** The least limit of some folders, and the one of them that has it. */
function least(
  folders: readonly string[],
  limitOf: (folder: string) => number | undefined,
): Limited | undefined {
  let found: Limited | undefined;
  for (const folder of folders) {
    const limit = limitOf(folder);
    if (limit !== undefined && limit > 0 && (found === undefined || limit < found.limit)) {
      found = { folder, limit };
    }
  }
  return found;
}

/** The cgroup of each controller, from the lines `number:controllers:path`. Version 2 has no controllers there. */
function controllerPaths(text: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    for (const controller of controllers.split(",")) paths.set(controller, path);
  }
  return paths;
}

/**
 * The folders of a cgroup and of those that it lies in. In a container without a cgroup namespace, the path is that of the
 * host, and only the last folder, the mount itself, is there. With `..` the path leads out of the namespace.
 */
function levels(top: string, path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  if (names.includes("..")) return [top];
  return Array.from({ length: names.length + 1 }, (_, count) =>
    join(top, ...names.slice(0, names.length - count)),
  );
}

const version2: CgroupFiles = {
  memoryLimit: (folder) => numberOf(folder, "memory.max"),
  memoryUsed: (folder) => workingSet(folder, "memory.current", "inactive_file"),
  cpus(folder) {
    const [quota, period] = readSystemFile(join(folder, "cpu.max"))?.trim().split(" ") ?? [];
    return ratio(wholeNumber(quota), wholeNumber(period));
  },
  cpuUsedMs: (folder) => scaled(numberIn(readSystemFile(join(folder, "cpu.stat")), "usage_usec"), 1e3),
};

const version1: CgroupFiles = {
  // Without a limit, it is a number beyond all memory.
  memoryLimit: (folder) => numberOf(folder, "memory.limit_in_bytes"),
  memoryUsed: (folder) => workingSet(folder, "memory.usage_in_bytes", "total_inactive_file"),
  // Without a limit, the quota is -1.
  cpus: (folder) => ratio(numberOf(folder, "cpu.cfs_quota_us"), numberOf(folder, "cpu.cfs_period_us")),
  cpuUsedMs: (folder) =>
    // Usually both controllers are one hierarchy, which has two names.
    scaled(numberOf(folder, "cpuacct.usage") ?? numberOf(besideCpu(folder), "cpuacct.usage"), 1e6),
};

function besideCpu(folder: string): string {
  return folder.replace(`/${mount}/cpu`, `/${mount}/cpuacct`);
}

/** What counts against the limit, less what the kernel takes back before it kills: as `docker stats` and kubectl do. */
function workingSet(folder: string, used: string, reclaimable: string): number | undefined {
  const bytes = numberOf(folder, used);
  if (bytes === undefined) return undefined;
  const inactive = numberIn(readSystemFile(join(folder, "memory.stat")), reclaimable) ?? 0;
  return Math.max(0, bytes - inactive);
}

function numberOf(folder: string, file: string): number | undefined {
  return wholeNumber(readSystemFile(join(folder, file)));
}

function ratio(quota: number | undefined, period: number | undefined): number | undefined {
  return quota === undefined || period === undefined || period === 0 ? undefined : quota / period;
}

function scaled(value: number | undefined, divisor: number): number | undefined {
  return value === undefined ? undefined : value / divisor;
}
