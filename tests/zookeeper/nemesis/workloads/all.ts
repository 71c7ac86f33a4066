import type { Workload } from "../workload.ts";
import { lockWorkload } from "./lock.ts";

/** The workload of each recipe. */
export const workloads: readonly Workload[] = [lockWorkload];
