/** What operators do with log files. */
export { LogFileError } from "./errors.ts";
export { type RepairReport, repairLog } from "./repair.ts";
export { type DumpedRecord, dumpLog, type LogReport, verifyLog } from "./verify.ts";
