import type { Program, Setting, SettingsTable } from "./setting.ts";

const WIDTH = 100;
const INDENT = "      ";

/** The help of a program, made from its settings: usage, then every setting with its allowed values and default. */
export function helpOf(program: Program<SettingsTable>): string {
  const settings = Object.entries(program.settings);
  const operands = settings.filter(([, setting]) => setting.source === "operand");
  const flags = settings.filter(([, setting]) => setting.source !== "operand");
  const usage = operands.map(([name, setting]) => {
    const word = setting.placeholder ?? name;
    return setting.fallback ? ` [${word}]` : ` ${word}`;
  });
  if (flags.length > 0) usage.push(" [SETTING]...");
  const sections = [wrap(program.summary, ""), `Usage: ${program.command}${usage.join("")}`];
  if (operands.length > 0) sections.push(operands.map(([, setting]) => operandHelp(setting)).join("\n"));
  if (flags.length > 0)
    sections.push(`Settings:\n${flags.map(([name, setting]) => flagHelp(name, setting)).join("\n")}`);
  if (flags.some(([, setting]) => (setting.source ?? "anywhere") === "anywhere")) {
    sections.push(
      wrap(
        "A setting marked * may also be given as an environment variable of the same name; the flag wins. " +
          "--name=value and --name value mean the same.",
        "",
      ),
    );
  }
  if (program.examples) sections.push(`Examples:\n${program.examples.map((line) => `  ${line}`).join("\n")}`);
  return `${sections.join("\n\n")}\n`;
}

function operandHelp(setting: Setting<unknown>): string {
  return `  ${setting.placeholder}\n${wrap(setting.meaning, INDENT)}`;
}

function flagHelp(name: string, setting: Setting<unknown>): string {
  if (setting.placeholder === undefined) return `  --${name}\n${wrap(setting.meaning, INDENT)}`;
  const mark = (setting.source ?? "anywhere") === "anywhere" ? " *" : "";
  const fallback = setting.fallback ? `default: ${setting.fallback.shown}` : "must be given";
  const repeatable = setting.repeatable ? "; may be repeated" : "";
  const facts = `Allowed: ${setting.allowed}${repeatable}; ${fallback}.`;
  return `  --${name} ${setting.placeholder}${mark}\n${wrap(setting.meaning, INDENT)}\n${wrap(facts, INDENT)}`;
}

function wrap(text: string, indent: string): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    if (line.length > indent.length && line.length + word.length >= WIDTH) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()].join("\n");
}
