import { Buffer } from "node:buffer";
import { constants } from "node:fs";
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { BROKE_OFF, INTERRUPTED, NOT_ALLOWED } from "../../settings/exit-codes.ts";
import { ExitError, isNotRead, print, printPart } from "../../settings/run-main.ts";
import { toggle } from "../../settings/setting.ts";
import { readClusterStatus } from "../cluster-status.ts";
import { keyCommand } from "../command.ts";
import { codeAfter, keyFailure } from "../key-failure.ts";
import { keyFlag } from "../key-settings.ts";
import { bufferLines, type LineOutput } from "../output.ts";
import { counted, countedAre } from "../plural.ts";
import { jsonSetting } from "../router-settings.ts";
import type { Session } from "../session.ts";
import { fileOperand, isFolder, unusable, wholeLines } from "../transfer/files.ts";
import { textField } from "../transfer/json-fields.ts";
import { BadLine, parseObject } from "../transfer/json-lines.ts";
import { grouped, showProgress } from "../transfer/progress.ts";
import { valueJson } from "../value-forms.ts";

export const exportCommand = keyCommand(
  {
    command: "kvlab export",
    summary:
      'Writes keys and values as JSON lines, in the order of the keys\' bytes, for `kvlab import`: {"key":"a","text":"1"}, or base64 for bytes, and ttlMs when the key expires. Each group\'s keys are as of one moment. When it is stopped, --resume goes on after the last whole line of the file.',
    settings: {
      file: fileOperand(
        "File to write, which must not exist, or a FIFO or the like; - or nothing for standard output.",
      ),
      prefix: keyFlag("Only keys that begin with this.", "PREFIX"),
      resume: toggle("Continue after the last complete line of the file, with the keys as they are now."),
      quiet: toggle("Show no progress."),
      json: { ...jsonSetting, meaning: "Print the result as JSON. The lines are always JSON." },
    },
    examples: [
      "kvlab export keys.jsonl",
      "kvlab export keys.jsonl --resume",
      "kvlab export --prefix user: | gzip > users.jsonl.gz",
    ],
  },
  async ({ file, json, quiet, ...options }, session) => {
    const beganMs = performance.now();
    const target = file === "-" ? toStdout(options.resume) : await toFile(file, options.resume);
    const given = { prefix: options.prefix, after: target.after, quiet, how: target.how };
    const writing = write(given, session, target.lines).catch(async (reason) => {
      await target.discardEmpty().catch(() => {});
      throw reason;
    });
    const count = await writing.finally(target.close);
    const seconds = (performance.now() - beganMs) / 1_000;
    // When the export goes to standard output under any name, messages must not mix with it.
    if (target.how === anew) return 0;
    await print(
      json
        ? `${JSON.stringify({ exported: count, seconds })}\n`
        : `exported ${counted(count, "key")} in ${seconds.toFixed(1)} s, ${grouped(Math.round(count / seconds))}/s\n`,
    );
    return 0;
  },
);

/** The beginning of each line. */
const lineBegin = '{"key":"';

/** Where an export continues that has kept nothing. */
const anew = "it begins anew when it is called again";

interface Target {
  readonly lines: LineOutput;
  /** The last key that was already exported. */
  readonly after: string | undefined;
  /** How to continue if this export is stopped. */
  readonly how: string;
  /** Removes the file if it is this export's, and nothing is in it: as if the export had never begun. */
  discardEmpty(): Promise<void>;
  close(): Promise<void>;
}

const nothing = async () => {};

function toStdout(resume: boolean): Target {
  if (resume) throw new ExitError(NOT_ALLOWED, "--resume is given without a FILE; allowed: with a FILE");
  return {
    lines: bufferLines(printPart),
    after: undefined,
    how: anew,
    discardEmpty: nothing,
    close: nothing,
  };
}

/** A FIFO, a terminal or the like: it cannot be read again. */
async function toStream(file: string, resume: boolean): Promise<Target> {
  if (resume) {
    throw new ExitError(
      NOT_ALLOWED,
      `--resume is given with ${file}, which keeps nothing; allowed: with a file`,
    );
  }
  const handle = await open(file, "w").catch((error) => {
    throw unusable(file, error);
  });
  const write = async (bytes: Buffer) => {
    for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done)).bytesWritten;
  };
  const lines = bufferLines((piece) => write(Buffer.from(piece)).catch(unwritable(file)));
  return { lines, after: undefined, how: anew, discardEmpty: nothing, close: () => handle.close() };
}

async function toFile(file: string, resume: boolean): Promise<Target> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory()) throw isFolder(file);
  if (found !== undefined && !found.isFile()) return await toStream(file, resume);
  const flags = constants.O_RDWR | constants.O_CREAT | (resume ? 0 : constants.O_EXCL);
  const handle = await open(file, flags).catch((error) => {
    if (error.code !== "EEXIST") throw unusable(file, error);
    throw new ExitError(NOT_ALLOWED, `${file} exists already; --resume continues after its last line`);
  });
  try {
    const { size, lastLine } = await wholeLines(handle);
    const after = lastLine && keyOf(file, lastLine);
    await cutUnfinished(file, handle, size);
    const lines = bufferLines((piece) => append(handle, Buffer.from(piece)).catch(unwritable(file)));
    const close = () => handle.datasync().finally(() => handle.close());
    const discardEmpty = async () => {
      if (!resume && (await handle.stat()).size === 0) await rm(file, { force: true });
    };
    return { lines, after, how: "--resume goes on", discardEmpty, close };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Throws the ExitError for an error of writing to a file. */
function unwritable(file: string): (error: Error) => never {
  return (error) => {
    if (isNotRead(error)) throw error;
    throw new ExitError(BROKE_OFF, `export: ${file} cannot be written (${error.message})`, { cause: error });
  };
}

/** Cuts off the unfinished line of a killed export. Errors: ExitError (the file contains something else). */
async function cutUnfinished(file: string, handle: FileHandle, size: number): Promise<void> {
  const begun = Buffer.alloc(lineBegin.length);
  const { bytesRead } = await handle.read(begun, 0, begun.length, size);
  if (!lineBegin.startsWith(begun.toString("latin1", 0, bytesRead))) {
    throw new ExitError(NOT_ALLOWED, `the end of ${file} is of no export`);
  }
  await handle.truncate(size);
}

async function append(handle: FileHandle, bytes: Buffer): Promise<void> {
  const { size } = await handle.stat();
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, size + done);
    done += bytesWritten;
  }
}

function keyOf(file: string, line: Uint8Array): string {
  try {
    return textField(
      parseObject({ bytes: line, isTooLong: false }, ["key", "text", "base64", "ttlMs"]) ?? {},
      "key",
    );
  } catch (error) {
    if (!(error instanceof BadLine)) throw error;
    throw new ExitError(NOT_ALLOWED, `the last line of ${file} is of no export: ${error.message}`);
  }
}

interface Run {
  readonly prefix: string | undefined;
  readonly after: string | undefined;
  readonly quiet: boolean;
  readonly how: string;
}

/** Resolves with the number of keys. Errors: ExitError. */
async function write(run: Run, session: Session, lines: LineOutput): Promise<number> {
  const { prefix, after } = run;
  const signal = session.interruption();
  const isWhole = prefix === undefined && after === undefined;
  const total = isWhole && !run.quiet ? await keysOf(session) : undefined;
  let count = 0;
  const progress = showProgress("keys", run.quiet, () => ({
    count,
    part: total === undefined ? undefined : Math.min(1, count / Math.max(total, 1)),
  }));
  try {
    for await (const { key, value, ttlLeftMs } of session.client.scan({ prefix, after, signal })) {
      await lines.add(
        JSON.stringify({ key, ...valueJson(value), ttlMs: ttlLeftMs && Math.max(1, ttlLeftMs) }),
      );
      count++;
    }
    await lines.flush();
    return count;
  } catch (reason) {
    const error = keyFailure("export", "read", reason);
    if (!(error instanceof ExitError)) throw error;
    // If closing has failed too, the first error counts.
    await lines.flush().catch(() => {});
    const why = error.exitCode === INTERRUPTED ? "export: interrupted" : error.message;
    throw new ExitError(
      codeAfter(count, error.exitCode),
      `${why}; ${countedAre(count, "key")} written: ${run.how}`,
      {
        cause: error,
      },
    );
  } finally {
    progress.end();
  }
}

/** Number of keys in the cluster, to show progress. Undefined when it is not known. */
async function keysOf({ ask }: Session): Promise<number | undefined> {
  const status = await readClusterStatus(ask).catch(() => undefined);
  const counts = status?.groups.map(({ keys }) => keys);
  if (counts === undefined || counts.includes(undefined)) return undefined;
  return counts.reduce<number>((sum, keys = 0) => sum + keys, 0);
}
