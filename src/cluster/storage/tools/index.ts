/** What operators do with log files. */
export { dumpLog } from "./dump.ts";
export { type RepairReport, repairLog } from "./repair.ts";
export { type LogReport, verifyLog } from "./verify.ts";
