import { availableParallelism, cpus, freemem, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type ContainerLimits, readContainerLimits } from "./cgroup.ts";
import { numberIn, readSystemFile } from "./system-files.ts";

/** What this process may use of its machine, and how much of it is used. */
export interface MachineLoad {
  /** CPUs that it may use: of its container, if that has a limit, and then maybe a fraction. */
  readonly totalCpu: number;
  /** Bytes: of the container, if that has a limit, else of the machine. */
  readonly totalMemory: number;
  /** Bytes in use, without what the system would give back at once. */
  readonly memoryUsage: number;
  /** Percent of `totalCpu` that were used since the last reading. Undefined at the first reading. */
  readonly cpuUsage: number | undefined;
  /** Of the machine, over 1, 5 and 15 minutes: containers have none of their own. */
  readonly loadAverages: readonly number[];
  /** Bytes of this process in memory. */
  readonly processMemory: number;
}

/** CPU time that was used, and that there was, up to a moment. Only differences mean something. */
interface CpuTimes {
  readonly of: "container" | "machine";
  readonly busyMs: number;
  readonly totalMs: number;
}

/**
 * Returns a function that reads the load of the machine. It takes well below a millisecond. `root` is the folder with proc
 * and sys; where they are missing, the numbers are those of node:os, without limits.
 */
export function machineReader(root = "/", nowMs = () => performance.now()): () => MachineLoad {
  let before: CpuTimes | undefined;
  return () => {
    const limits = readContainerLimits(root);
    const machineCpus = cpusOf(root);
    const totalCpu = Math.min(machineCpus, limits.cpu?.cpus ?? machineCpus);
    const times = containerTimes(limits, machineCpus, nowMs()) ?? machineTimes(root);
    const cpuUsage = before && usageBetween(before, times);
    before = times;
    return {
      totalCpu,
      ...memoryOf(root, limits),
      cpuUsage,
      loadAverages: loadavg(),
      processMemory: process.memoryUsage().rss,
    };
  };
}

function memoryOf(
  root: string,
  { memory }: ContainerLimits,
): Pick<MachineLoad, "totalMemory" | "memoryUsage"> {
  // Bun's freemem leaves out what the system would give back, so it is only for systems without this file.
  const info = readSystemFile(join(root, "proc/meminfo"));
  const kib = (name: string) => {
    const count = numberIn(info, name);
    return count === undefined ? undefined : count * 1024;
  };
  const totalMemory = kib("MemTotal") ?? totalmem();
  if (memory !== undefined && memory.limitBytes < totalMemory) {
    return { totalMemory: memory.limitBytes, memoryUsage: Math.min(memory.usedBytes, memory.limitBytes) };
  }
  const available = kib("MemAvailable") ?? freemem();
  return { totalMemory, memoryUsage: Math.max(0, totalMemory - available) };
}

/** CPUs on which the system lets this process run (cpusets, taskset). */
function cpusOf(root: string): number {
  const status = readSystemFile(join(root, "proc/self/status"));
  const [, list] = /^Cpus_allowed_list:\s*([\d,-]+)$/m.exec(status ?? "") ?? [];
  if (list === undefined) return availableParallelism();
  const counts = list.split(",").map((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return last - first + 1;
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

function containerTimes({ cpu }: ContainerLimits, machineCpus: number, nowMs: number): CpuTimes | undefined {
  if (cpu === undefined || cpu.cpus >= machineCpus) return undefined;
  return { of: "container", busyMs: cpu.usedMs, totalMs: nowMs * cpu.cpus };
}

function machineTimes(root: string): CpuTimes {
  const line = /^cpu +([\d ]+)$/m.exec(readSystemFile(join(root, "proc/stat")) ?? "")?.[1];
  if (line !== undefined) {
    // user nice system idle iowait irq softirq steal; what follows is part of user already. The unit is 10 ms.
    const parts = line.split(" ").slice(0, 8).map(Number);
    const total = parts.reduce((sum, part) => sum + part, 0);
    const idle = (parts[3] ?? 0) + (parts[4] ?? 0);
    return { of: "machine", busyMs: (total - idle) * 10, totalMs: total * 10 };
  }
  const times = cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({
    busy: user + nice + sys + irq,
    idle,
  }));
  const busyMs = times.reduce((sum, { busy }) => sum + busy, 0);
  return { of: "machine", busyMs, totalMs: times.reduce((sum, { idle }) => sum + idle, busyMs) };
}

/** Undefined when the two cannot be compared: no time has passed, or a limit came or went. */
function usageBetween(before: CpuTimes, now: CpuTimes): number | undefined {
  const totalMs = now.totalMs - before.totalMs;
  if (before.of !== now.of || totalMs <= 0) return undefined;
  // Counters are read one after another, and may jump when a container moves.
  return Math.min(100, Math.max(0, ((now.busyMs - before.busyMs) / totalMs) * 100));
}
