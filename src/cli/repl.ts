import process from "node:process";
import { createInterface } from "node:readline";
import { HelpRequested } from "../settings/read-settings.ts";
import { print } from "../settings/run-main.ts";
import { type ClusterCommand, keyCommand } from "./command.ts";
import { deleteCommand, getCommand, locateCommand, putCommand } from "./key-commands.ts";
import { scanCommand } from "./scan.ts";
import { lineOf, type Session } from "./session.ts";
import { statusCommand } from "./status.ts";
import { firstSentence } from "./summary.ts";
import { watchCommand } from "./watch.ts";
import { splitWords } from "./words.ts";

/** The commands by the words that call them here. */
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
      "Reads commands from standard input, line by line, and carries them out. An error does not end it; Ctrl-C ends a command.",
    settings: {},
    examples: ["kvlab repl", "printf 'put a 1 --ttl 5m\\nget a --json\\n' | kvlab repl"],
  },
  async (_settings, session) => {
    await runRepl(session);
    return 0;
  },
);

async function runRepl(session: Session): Promise<void> {
  const terminal = Boolean(process.stdin.isTTY && process.stdout.isTTY);
  const lines = createInterface({
    input: process.stdin,
    ...(terminal && { output: process.stdout }),
    terminal,
    prompt: "kvlab> ",
    historySize: 1000,
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  const prompt = () => {
    if (terminal) lines.prompt();
  };
  let underWay: AbortController | undefined;
  lines.on("SIGINT", () => {
    if (underWay) underWay.abort();
    else if (lines.line !== "") lines.write(null, { ctrl: true, name: "u" });
    else lines.close();
  });

  prompt();
  for await (const line of lines) {
    if (line.trim() === "quit") return lines.close();
    underWay = new AbortController();
    await carryOut(lineOf(session, underWay.signal), line).catch(tell);
    underWay = undefined;
    prompt();
  }
  // The end of input leaves the cursor behind the prompt.
  if (terminal) await print("\n");
}

async function tell(reason: unknown): Promise<void> {
  if (reason instanceof HelpRequested) return print(reason.help);
  process.stderr.write(`error: ${reason instanceof Error ? reason.message : reason}\n`);
}

async function carryOut(session: Session, line: string): Promise<void> {
  const [name, ...args] = splitWords(line);
  if (name === undefined) return;
  if (name === "help") return print(overview());
  const found = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!found) {
    const allowed = [...Object.keys(commands), "help", "quit"].join(", ");
    throw new Error(`${JSON.stringify(name)} is not a command; allowed: ${allowed}`);
  }
  await found.runIn(session, args);
}

function overview(): string {
  const rows = Object.entries(commands).map(([name, { usage, program }]) => [
    `${name}${usage}`,
    firstSentence(program.summary),
  ]);
  rows.push(
    ["help", "This; COMMAND --help says all about a command."],
    ["quit", "Ends, as the end of input does."],
  );
  const width = Math.max(...rows.map(([name = ""]) => name.length));
  const lines = rows.map(([name = "", meaning]) => `${name.padEnd(width)}  ${meaning}\n`);
  return `${lines.join("")}Words with spaces go in '…' or "…"; a backslash escapes: \\n \\t \\" \\\\ \\u{1F600}.\n`;
}
