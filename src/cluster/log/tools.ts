/** What operators do with log files. */
export { type RepairReport, repairLog } from "./repair.ts";
export { dumpLog, type LogReport, verifyLog } from "./verify.ts";
