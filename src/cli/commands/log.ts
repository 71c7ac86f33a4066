import { nodeDisk } from "../../cluster/storage/disk/node-disk.ts";
import { LogFileError, LogInUse } from "../../cluster/storage/errors.ts";
import {
  dumpLog,
  type LogReport,
  type RepairReport,
  repairLog,
  verifyLog,
} from "../../cluster/storage/tools/index.ts";
import { NOT_ALLOWED, NOT_FOUND } from "../../settings/exit-codes.ts";
import { ExitError, print, printPart } from "../../settings/run-main.ts";
import { text } from "../../settings/setting.ts";
import { command } from "../command.ts";
import { bufferLines } from "../output.ts";
import { counted, countedAre } from "../plural.ts";
import { jsonSetting } from "../router-settings.ts";
import { isStored } from "../transfer/files.ts";

/** Damages in the output. More would hide the rest. `--json` shows all. */
const DAMAGES_SHOWN = 20;

const settings = {
  file: text({
    meaning: "The log file (dbfile).",
    placeholder: "FILE",
    source: "operand",
    allowed: "a path",
    completes: "files",
  }),
  json: jsonSetting,
};

export const verifyCommand = command(
  {
    command: "kvlab log verify",
    summary:
      "Checks a log file and says what is in it. Changes nothing, so a node may be using the file. Exit code 1 when the file is damaged or is no log. The unfinished end of an interrupted write is not damage.",
    settings,
    examples: ["kvlab log verify db.txt"],
  },
  async ({ file, json }) => {
    const report = await ofLog(file, () => verifyLog(nodeDisk, file));
    await print(json ? `${JSON.stringify(report)}\n` : describeReport(file, report));
    return report.condition.kind === "damaged" ? NOT_FOUND : 0;
  },
);

export const dumpCommand = command(
  {
    command: "kvlab log dump",
    summary:
      "Prints the changes of a log file as JSON, one per line. Values are in base64, and null for a removed key. A batch has one line for each key, with its place in the batch. At damage it stops with exit code 1.",
    settings: { ...settings, json: { ...jsonSetting, meaning: "Print JSON, as always." } },
    examples: [
      "kvlab log dump db.txt",
      `kvlab log dump db.txt | jq -r 'select(.key == "a").value' | base64 -d`,
    ],
  },
  async ({ file }) => {
    const lines = bufferLines(printPart);
    try {
      await ofLog(file, async () => {
        for await (const record of dumpLog(nodeDisk, file)) await lines.add(JSON.stringify(record));
      });
    } finally {
      await lines.flush();
    }
    return 0;
  },
);

export const repairCommand = command(
  {
    command: "kvlab log repair",
    summary:
      "Keeps every good record of a damaged log file, and moves the bad bytes to a file beside it. The records in these bytes are lost. If another replica has the data, remove the log file instead: then the node gets a snapshot. No node may be using the file.",
    settings,
    examples: ["kvlab log repair db.txt"],
  },
  async ({ file, json }) => {
    const report = await ofLog(file, () => repairLog(nodeDisk, file));
    await print(json ? `${JSON.stringify(report)}\n` : describeRepair(file, report));
    return 0;
  },
);

/** Runs a command on a log. Errors: ExitError (the log is damaged, missing or in use). */
async function ofLog<T>(file: string, work: () => Promise<T>): Promise<T> {
  if (!(await isStored(file))) {
    throw new ExitError(NOT_ALLOWED, `${file} is no regular file; allowed: the log file of a node`);
  }
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof LogFileError)) throw error;
    // An error without a cause is about the log. One with a cause is from the system.
    const isOfLog = error.cause === undefined && !(error instanceof LogInUse);
    const exitCode = isOfLog ? NOT_FOUND : NOT_ALLOWED;
    throw new ExitError(exitCode, error.message, { cause: error });
  }
}

function describeReport(file: string, report: LogReport): string {
  const { condition, identity, last, lastRevision, moves } = report;
  const lines = [
    `${file}: ${describeCondition(condition)}`,
    `  belongs to   ${identity ? `node ${identity.number} of group ${identity.group}` : "no node yet"}`,
    ...(identity?.cluster === undefined ? [] : [`  cluster      ${identity.cluster}`]),
    ...(identity?.repaired ? ["  repaired     records may be missing anywhere in it"] : []),
    `  records      ${report.records}${report.legacyRecords > 0 ? `, ${report.legacyRecords} of them in the original format` : ""}`,
    `  last record  epoch ${last.epoch}, seq ${last.seq}${lastRevision > last.seq ? `, revision ${lastRevision}` : ""}`,
    ...describeMoves(moves),
    `  keys         ${report.liveKeys}`,
    `  bytes        ${report.fileBytes}, ${report.garbageBytes} of them garbage`,
    ...describeDamages(report),
  ];
  if (condition.kind === "damaged") {
    lines.push("  A standby repairs this from its primary. Without a primary, run `kvlab log repair`.");
  }
  return `${lines.join("\n")}\n`;
}

function describeMoves(moves: LogReport["moves"]): string[] {
  if (moves === undefined) return [];
  const { change, released, accepted } = moves;
  const parts = [
    ...released.map((group) => `released to ${group}`),
    ...accepted.map(({ from, revision }) => `accepted from ${from} up to revision ${revision}`),
  ];
  return [`  ring change  ${change}: ${parts.join(", ")}`];
}

function describeCondition(condition: LogReport["condition"]): string {
  switch (condition.kind) {
    case "intact":
      return "intact";
    case "torn":
      return `intact but for an unfinished end of ${counted(condition.bytesCut, "byte")} at line ${condition.line}: an interrupted write left it, and opening cuts it off`;
    case "damaged":
      return `damaged at line ${condition.line}: ${condition.reason}`;
  }
}

function describeRepair(file: string, report: RepairReport): string {
  if (!report.repaired) return `${file}: not damaged; nothing was changed\n`;
  const lines = [
    `${file}: repaired; records kept: ${report.records}, keys: ${report.liveKeys}`,
    report.keptIn === undefined
      ? "  records were missing, but no bytes were bad"
      : `  ${countedAre(report.removedBytes, "bad byte")} now in ${report.keptIn}`,
    ...describeDamages(report),
  ];
  lines.push(
    "  The lost records are lost in this log only. If another replica has them, a snapshot of it is better.",
  );
  if (report.lostIdentity) lines.push("  There is no good header: the log belongs to no node now.");
  return `${lines.join("\n")}\n`;
}

function describeDamages({ damages, damageCount }: Pick<LogReport, "damages" | "damageCount">): string[] {
  const shown = damages.slice(0, DAMAGES_SHOWN);
  const lines = shown.map(
    ({ line, bytes, reason }) => `  line ${line}, ${counted(bytes, "byte")}: ${reason}`,
  );
  return damageCount > shown.length ? [...lines, `  and ${damageCount - shown.length} more`] : lines;
}
