import process from "node:process";
import { createInterface } from "node:readline";
import { print } from "../settings/run-main.ts";
import { command } from "./command.ts";
import { bytesOf, describePlace, get, locate, put, remove } from "./keys.ts";
import { routerSettings, routersOf } from "./router-settings.ts";
import type { Routers } from "./routers.ts";
import { splitWords } from "./words.ts";

const HELP = `locate KEY       group and address of a key
put KEY VALUE    write a key
read KEY         print the value of a key
delete KEY       remove a key
help             this
quit             end, as the end of input does
Words with spaces go in '…' or "…"; a backslash escapes: \\n \\t \\" \\\\ \\u{1F600}.`;

/** Carries out one line; resolves to what is to be printed. */
type Action = (routers: Routers, operands: readonly string[], signal: AbortSignal) => Promise<string>;

interface ReplCommand {
  readonly operands: readonly string[];
  readonly act: Action;
}

const commands: Readonly<Record<string, ReplCommand>> = {
  locate: {
    operands: ["KEY"],
    act: async (routers, [key = ""], signal) => describePlace(await locate(routers, key, signal)),
  },
  put: {
    operands: ["KEY", "VALUE"],
    act: async (routers, [key = "", value = ""], signal) => {
      const { revision } = await put(routers, key, value, signal);
      return `ok, revision ${revision}`;
    },
  },
  read: {
    operands: ["KEY"],
    act: async (routers, [key = ""], signal) => readable(bytesOf(await get(routers, key, signal))),
  },
  delete: {
    operands: ["KEY"],
    act: async (routers, [key = ""], signal) => {
      const { revision } = await remove(routers, key, signal);
      return `deleted, revision ${revision}`;
    },
  },
  help: { operands: [], act: async () => HELP },
};

export const replCommand = command(
  {
    command: "kvlab repl",
    summary:
      "Reads commands from standard input, line by line, and carries them out. An error does not end it.",
    settings: routerSettings,
    examples: ["kvlab repl", "printf 'put a 1\\nread a\\n' | kvlab repl"],
  },
  async (where) => {
    await runRepl(routersOf(where));
    return 0;
  },
);

async function runRepl(routers: Routers): Promise<void> {
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
    const output = await carryOut(routers, line, underWay.signal).catch(tellError);
    underWay = undefined;
    if (output !== undefined) await print(`${output}\n`);
    prompt();
  }
  // The end of input leaves the cursor behind the prompt.
  if (terminal) await print("\n");
}

function tellError(error: unknown): undefined {
  process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
}

async function carryOut(routers: Routers, line: string, signal: AbortSignal): Promise<string | undefined> {
  const [name, ...operands] = splitWords(line);
  if (name === undefined) return undefined;
  const found = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!found) {
    const allowed = [...Object.keys(commands), "quit"].join(", ");
    throw new Error(`${JSON.stringify(name)} is not a command; allowed: ${allowed}`);
  }
  if (operands.length !== found.operands.length) {
    const usage = [name, ...found.operands].join(" ");
    const given = operands.length === 1 ? "1 operand" : `${operands.length} operands`;
    throw new Error(`${name} has ${given}; allowed: ${usage} (quote what has spaces)`);
  }
  return found.act(routers, operands, signal);
}

/** A value for people: text as it is, other bytes in base64. */
function readable(value: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    return `(${value.length} bytes that are not text, in base64) ${Buffer.from(value).toString("base64")}`;
  }
}
