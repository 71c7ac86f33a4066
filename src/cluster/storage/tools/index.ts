/** Tools for log files, used by the command line. */
export { dumpLog } from "./dump.ts";
export { type RepairReport, repairLog } from "./repair.ts";
export { type LogReport, verifyLog } from "./verify.ts";
