import { readFileSync } from "node:fs";
import process from "node:process";

/** USER_HZ of Linux on every architecture that we run on: proc(5) counts CPU time in it. */
const ticksPerSecond = 100;

/** CPU time that a process has used so far, user and system, of all its threads. */
export function cpuSecondsOf(pid: number): number {
  const [user, system] = statFields(pid).slice(11, 13);
  return (Number(user) + Number(system)) / ticksPerSecond;
}

/** CPU time of all processes that this one has started and that have ended. */
export function cpuSecondsOfEnded(): number {
  const [user, system] = statFields(process.pid).slice(13, 15);
  return (Number(user) + Number(system)) / ticksPerSecond;
}

/** Memory that a process has in RAM (VmRSS), in bytes. */
export function memoryBytesOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1024;
}

/** Fields of /proc/PID/stat from the third on: the second, the program's name, may have blanks in it. */
function statFields(pid: number): string[] {
  const line = readFileSync(`/proc/${pid}/stat`, "utf8");
  return line.slice(line.lastIndexOf(")") + 2).split(" ");
}
