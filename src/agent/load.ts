import type { Clock } from "../common/clock.ts";
import { type DiskSpace, diskSpaceReader } from "./disk-space.ts";
import { type MachineLoad, machineReader } from "./machine.ts";

/** What an agent reports of its machine, as it is read. */
export type Load = MachineLoad & Partial<DiskSpace>;

/** Returns a function that reads the load, with that of the disk of `folder`. Without a folder no disk is reported. */
export function loadReader(clock: Clock, folder: string | undefined): () => Load {
  const readMachine = machineReader("/", () => clock.monotonicMs());
  const readDisk = folder === undefined ? () => undefined : diskSpaceReader(folder);
  // The use of the CPU, and the disk, are told from the second reading on: the one with which the agent registers.
  readMachine();
  readDisk();
  return () => ({ ...readMachine(), ...readDisk() });
}
