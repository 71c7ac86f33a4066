import { randomUUID } from "node:crypto";
import process from "node:process";
import { KvError } from "../../client/index.ts";
import { INTERRUPTED, NOT_ALLOWED, UNFORESEEN } from "../../settings/exit-codes.ts";
import { ExitError, print } from "../../settings/run-main.ts";
import { number, optional, toggle } from "../../settings/setting.ts";
import { keyCommand } from "../command.ts";
import { codeAfter, keyFailure } from "../key-failure.ts";
import { counted, countedAre } from "../plural.ts";
import { jsonSetting } from "../router-settings.ts";
import type { Session } from "../session.ts";
import { fileOperand, isStored, nameOf, openInput, untilAborted } from "../transfer/files.ts";
import { type Journal, openJournal } from "../transfer/import-journal.ts";
import { textField, ttlField, valueFields } from "../transfer/json-fields.ts";
import { BadLine, type Line, type LineStart, parseObject, readLines } from "../transfer/json-lines.ts";
import { Loader, type PutLine } from "../transfer/loader.ts";
import { grouped, showProgress } from "../transfer/progress.ts";

/** The most work that a killed import loses. */
const saveEveryMs = 250;

/** How many skipped bad lines are listed. More would hide the rest of the output. */
const badNamedMax = 20;

export const importCommand = keyCommand(
  {
    command: "kvlab import",
    summary:
      'Puts the keys of a file of JSON lines, as `kvlab export` writes them: {"key":"a","text":"1"}, or base64 in place of text, and ttlMs if the key is to expire. Of several lines for a key, the last one holds. When it is stopped, by Ctrl-C, kill or an error, the same command goes on where it was: FILE.kvlab-import, beside the file, says where, and is removed at the end.',
    settings: {
      file: fileOperand(
        "File with the lines; - or nothing for standard input. That, a FIFO and the like have no memory of where they were.",
      ),
      "from-line": optional(
        number({
          meaning: "Start with this line.",
          placeholder: "LINE",
          source: "flag",
          min: 1,
          max: Number.MAX_SAFE_INTEGER,
        }),
      ),
      restart: toggle("Start with the first line, even if an earlier import was stopped."),
      "skip-bad": toggle(
        "Skip lines that cannot be put, and count them. Otherwise the first one stops the import.",
      ),
      quiet: toggle("Show no progress."),
      json: jsonSetting,
    },
    examples: [
      "kvlab import keys.jsonl",
      "kvlab import keys.jsonl --direct --skip-bad --json",
      "kvlab export --router http://10.0.0.1:1926 | kvlab import --router http://10.9.0.1:1926",
      "zcat keys.jsonl.gz | kvlab import - --from-line 400001",
    ],
  },
  async ({ file, "from-line": fromLine, restart, "skip-bad": skipBad, quiet, json }, session) => {
    const isFresh = restart || fromLine !== undefined;
    const journal = (await isStored(file))
      ? await openJournal(file, session.routers, isFresh, tell)
      : undefined;
    const from = journal?.next ?? { number: 1, start: 0 };
    const given = { file, from, fromLine: fromLine ?? 1, isFresh, skipBad, quiet, journal };
    const run = await load(given, session);
    const { done, bad, seconds } = run;
    const earlier = from.number - 1;
    await print(
      json
        ? `${JSON.stringify({ imported: done, bad, linesBefore: earlier, seconds })}\n`
        : `imported ${counted(done, "line")} in ${seconds.toFixed(1)} s, ${grouped(Math.round(done / seconds))}/s` +
            `${earlier > 0 ? `, after ${grouped(earlier)} of an earlier run` : ""}` +
            `${bad > 0 ? `; ${counted(bad, "bad line")} ${bad === 1 ? "was" : "were"} passed over` : ""}\n`,
    );
    return 0;
  },
);

interface Run {
  readonly file: string;
  readonly from: LineStart;
  readonly fromLine: number;
  /** Whether the same command would not go on where this one was. */
  readonly isFresh: boolean;
  readonly skipBad: boolean;
  readonly quiet: boolean;
  readonly journal: Journal | undefined;
}

interface Counts {
  readonly done: number;
  readonly bad: number;
  readonly seconds: number;
}

async function load(run: Run, session: Session): Promise<Counts> {
  const { file, from, journal } = run;
  const beganMs = performance.now();
  const interruption = session.interruption();
  const { source, bytes } = await openInput(file, from.start);
  let bad = 0;
  const onBad = (line: Line, reason: string) => {
    const message = `line ${line.number} of ${nameOf(file)}: ${reason}`;
    if (!run.skipBad) throw new ExitError(NOT_ALLOWED, `import: ${message}`);
    bad++;
    if (bad <= badNamedMax) tell(`passed over ${message}`);
  };
  const loader = new Loader(session.client, onBad, journal?.id ?? randomUUID());
  /** Where the import continues when nothing is under way. */
  let next = from;
  const settledTo = () => loader.unsettled ?? next;
  const progress = showProgress("lines", run.quiet, () => ({
    count: loader.done,
    part: bytes === undefined ? undefined : settledTo().start / Math.max(bytes, 1),
  }));
  let savedMs = beganMs;
  let stopped: unknown;
  try {
    // The journal must be written before anything is sent: its import id makes late batches of a killed import
    // recognizable.
    await journal?.save(from);
    for await (const lines of readLines(untilAborted(source, interruption), from)) {
      for (const line of lines) {
        if (interruption.aborted) break;
        const put = line.number < run.fromLine ? undefined : putOf(line, onBad);
        if (put !== undefined) await loader.add(put);
        next = { number: line.number + 1, start: line.end };
      }
      if (interruption.aborted) break;
      // What comes through a pipe may pause for hours: then all that has come is to be in the store.
      if (journal === undefined) {
        await loader.flush();
        continue;
      }
      if (performance.now() - savedMs < saveEveryMs) continue;
      if (settledTo().start > from.start) await journal.save(settledTo());
      savedMs = performance.now();
    }
  } catch (reason) {
    stopped = reason;
  }
  if (interruption.aborted) stopped = new ExitError(INTERRUPTED, "import: interrupted");
  await loader.settle().catch((reason) => {
    stopped ??= reason;
  });
  progress.end();
  if (stopped !== undefined) throw await ending(stopped, settledTo(), run, loader);
  await journal?.remove();
  return { done: loader.done, bad, seconds: (performance.now() - beganMs) / 1_000 };
}

function tell(message: string): void {
  process.stderr.write(`kvlab import: ${message}\n`);
}

function putOf(line: Line, onBad: (line: Line, reason: string) => void): PutLine | undefined {
  try {
    const fields = parseObject(line, ["key", "text", "base64", "ttlMs"]);
    if (fields === undefined) return undefined;
    const step = { put: textField(fields, "key"), value: valueFields(fields), ttlMs: ttlField(fields) };
    return { line, step };
  } catch (error) {
    if (!(error instanceof BadLine)) throw error;
    onBad(line, error.message);
    return undefined;
  }
}

/** System errors are about the file that is read. */
function codeOf(error: unknown): number {
  return error instanceof Error && "code" in error ? NOT_ALLOWED : UNFORESEEN;
}

/** The error of a stopped import: why it stopped, and how to continue. */
async function ending(reason: unknown, next: LineStart, run: Run, loader: Loader): Promise<ExitError> {
  const { journal, fromLine, isFresh } = run;
  await journal?.save(next);
  const message =
    reason instanceof KvError
      ? `import: ${reason.message}`
      : reason instanceof Error
        ? reason.message
        : String(reason);
  const failure = keyFailure("import", "write", reason);
  const exitCode = failure instanceof ExitError ? codeAfter(loader.done, failure.exitCode) : codeOf(failure);
  const how =
    isFresh || journal?.isKept !== true
      ? `--from-line ${Math.max(next.number, fromLine)} goes on`
      : "the same command goes on";
  const come = `${countedAre(loader.done, "line")} in, everything before line ${grouped(next.number)}`;
  return new ExitError(exitCode, `${message}; ${come}: ${how}`, { cause: reason });
}
