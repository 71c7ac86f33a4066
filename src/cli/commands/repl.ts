import process from "node:process";
import { createInterface } from "node:readline";
import { NOT_ALLOWED, NOT_READ } from "../../settings/exit-codes.ts";
import { HelpRequested } from "../../settings/read-settings.ts";
import { ExitError, isNotRead, print } from "../../settings/run-main.ts";
import { refuseUndecodable } from "../../settings/undecodable.ts";
import { type ClusterCommand, keyCommand } from "../command.ts";
import { splitWords } from "../completion/shell-words.ts";
import { lineOf, type Session } from "../session.ts";
import { firstSentence } from "../summary.ts";
import { readLines } from "../transfer/json-lines.ts";
import { deleteCommand, getCommand, locateCommand, putCommand } from "./keys.ts";
import { scanCommand } from "./scan.ts";
import { statusCommand } from "./status.ts";
import { watchCommand } from "./watch.ts";

/** The commands, by the words that call them in the repl. */
const commands: Readonly<Record<string, ClusterCommand>> = {
  locate: locateCommand,
  put: putCommand,
  get: getCommand,
  read: getCommand,
  delete: deleteCommand,
  scan: scanCommand,
  watch: watchCommand,
  status: statusCommand,
};

export const replCommand = keyCommand(
  {
    command: "kvlab repl",
    summary:
      "Reads commands from standard input, line by line, and runs them. An error does not end it; Ctrl-C stops a command. The exit code is that of the first error, unless a person types.",
    settings: {},
    examples: ["kvlab repl", "printf 'put a 1 --ttl 5m\\nget a --json\\n' | kvlab repl"],
  },
  (_settings, session) => runRepl(session),
);

/** Resolves to the exit code. */
async function runRepl(session: Session): Promise<number> {
  const terminal = Boolean(process.stdin.isTTY && process.stdout.isTTY);
  const typed = terminal ? typedLines() : undefined;
  const prompt = () => typed?.prompt();
  let underWay: AbortController | undefined;
  let exitCode = 0;
  typed?.on("SIGINT", () => {
    if (underWay) underWay.abort();
    else if (typed.line !== "") typed.write(null, { ctrl: true, name: "u" });
    else typed.close();
  });

  prompt();
  for await (const line of typed ?? writtenLines()) {
    if (line.trim() === "quit") {
      typed?.close();
      return exitCode;
    }
    underWay = new AbortController();
    const code = await carryOut(lineOf(session, underWay.signal), line).catch(tell);
    if (!terminal) exitCode ||= code;
    underWay = undefined;
    prompt();
  }
  // At the end of input the cursor stands behind the prompt.
  if (terminal) await print("\n");
  return exitCode;
}

function typedLines() {
  return createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: true,
    prompt: "kvlab> ",
    historySize: 1000,
    crlfDelay: Number.POSITIVE_INFINITY,
  });
}

/** The lines of a file or of another program. `readline` would end a line also at U+2028, which may be in a value. */
async function* writtenLines(): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const lines of readLines(process.stdin)) {
    for (const { bytes, number, isTooLong } of lines) {
      if (isTooLong) throw new ExitError(NOT_ALLOWED, `line ${number} is longer than any command`);
      yield decoder.decode(bytes).replace(/\r$/, "");
    }
  }
}

/** The exit code that this error would give a command. */
async function tell(reason: unknown): Promise<number> {
  if (reason instanceof HelpRequested) {
    await print(reason.help);
    return 0;
  }
  if (isNotRead(reason)) return NOT_READ;
  process.stderr.write(`error: ${reason instanceof Error ? reason.message : reason}\n`);
  return reason instanceof ExitError ? reason.exitCode : NOT_ALLOWED;
}

/** Resolves to the exit code of the command. */
async function carryOut(session: Session, line: string): Promise<number> {
  refuseUndecodable("the line", line);
  const [name, ...args] = splitWords(line);
  if (name === undefined) return 0;
  if (name === "help") return await help();
  const found = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!found) {
    const allowed = [...Object.keys(commands), "help", "quit"].join(", ");
    throw new Error(`${JSON.stringify(name)} is not a command; allowed: ${allowed}`);
  }
  return await found.runIn(session, args);
}

async function help(): Promise<number> {
  const rows = Object.entries(commands).map(([name, { usage, program }]) => [
    `${name}${usage}`,
    firstSentence(program.summary),
  ]);
  rows.push(
    ["help", "Shows this; COMMAND --help explains a command."],
    ["quit", "Ends the repl, like the end of input."],
  );
  const width = Math.max(...rows.map(([name = ""]) => name.length));
  const lines = rows.map(([name = "", meaning]) => `${name.padEnd(width)}  ${meaning}\n`);
  await print(
    `${lines.join("")}Words with spaces go in '…' or "…"; a backslash escapes: \\n \\t \\" \\\\ \\u{1F600}.\n`,
  );
  return 0;
}
