import type { AgentIdentity } from "./identity.ts";
import type { Load } from "./load.ts";

/**
 * Whether a load differs enough from the one that was last reported, so that noise makes no write: by 10 percentage points
 * of `cpuUsage`, 1 % of all memory or of the disk, 32 MiB of `processMemory`, or 0.5 in a load average (5 % of the CPUs if
 * that is more). What there is in all counts exactly.
 */
export function isNews(load: Load, reported: Load): boolean {
  const { totalCpu, totalMemory, diskTotal } = load;
  if (totalCpu !== reported.totalCpu || totalMemory !== reported.totalMemory) return true;
  if (diskTotal !== reported.diskTotal) return true;
  const loadStep = Math.max(0.5, totalCpu / 20);
  return (
    isStepAway(load.cpuUsage, reported.cpuUsage, 10) ||
    isStepAway(load.memoryUsage, reported.memoryUsage, totalMemory / 100) ||
    isStepAway(load.diskUsed, reported.diskUsed, (diskTotal ?? 0) / 100) ||
    isStepAway(load.processMemory, reported.processMemory, 32 * 1024 * 1024) ||
    load.loadAverages.some((each, index) => isStepAway(each, reported.loadAverages[index], loadStep))
  );
}

/** A number that was not there before is news, and so is one that is there no more. */
function isStepAway(value: number | undefined, reported: number | undefined, step: number): boolean {
  if (value === undefined || reported === undefined) return value !== reported;
  return Math.abs(value - reported) >= step && value !== reported;
}

/**
 * The data of an agent's znode: JSON, with the five fields of the original agent first. `memoryUsage` is in bytes, as
 * `totalMemory` is. `writtenAt` is the time of the machine's clock.
 */
export function formatReport(identity: AgentIdentity, load: Load, writtenAt: string): Uint8Array {
  const { serverIp, ...others } = identity;
  const { totalCpu, totalMemory, memoryUsage, cpuUsage, loadAverages, ...sizes } = load;
  const report = {
    serverIp,
    totalCpu: hundredths(totalCpu),
    totalMemory,
    totalMemoryDesc: gigabytes(totalMemory),
    memoryUsage,
    ...(cpuUsage !== undefined && { cpuUsage: Math.round(cpuUsage) }),
    loadAverages: loadAverages.map(hundredths),
    ...sizes,
    ...others,
    writtenAt,
  };
  return new TextEncoder().encode(JSON.stringify(report));
}

/** As `23.4 GB`, of 10^9 bytes each. */
function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
