import {
  type Completed,
  type CompletedFlag,
  type Completions,
  firstWords,
  subcommands,
} from "./completed.ts";

/** The script for fish. */
export function fishCompletion(commands: readonly Completed[]): string {
  const firsts = [...firstWords(commands)].map(([name, meaning]) =>
    offer("test (count (commandline -opc)) -eq 1", name, meaning),
  );
  const names = [...firstWords(commands).keys()].join(" ");
  const seconds = [...subcommands(commands)].flatMap(([first, each]) =>
    each.map(({ words, meaning }) =>
      offer(`${calls([first])}; and test (count (commandline -opc)) -eq 2`, words[1] ?? "", meaning),
    ),
  );
  return `# fish completion of kvlab, made by \`kvlab completion fish\`
function __kvlab_calls
    set -l given (commandline -opc)
    for index in (seq (count $argv))
        set -l at (math $index + 1)
        test (count $given) -ge $at; and test $given[$at] = $argv[$index]; or return 1
    end
end
complete -c kvlab -f
${[...firsts, ...seconds, `complete -c kvlab -n '__kvlab_calls help' -a '${names}'`].join("\n")}
${commands.flatMap(linesOf).join("\n")}
`;
}

function offer(condition: string, word: string, meaning: string): string {
  return `complete -c kvlab -n '${condition}' -a ${word} -d ${singleQuoted(meaning)}`;
}

function calls(words: readonly string[]): string {
  return `__kvlab_calls ${words.join(" ")}`;
}

function linesOf({ words, flags, operands }: Completed): string[] {
  const begin = `complete -c kvlab -n '${calls(words)}'`;
  const ofFlags = flags.map((flag) => `${begin} ${flagOf(flag)}`);
  return operands.length === 0 ? ofFlags : [...ofFlags, `${begin}${valuesOf(operands)}`];
}

function flagOf({ name, meaning, placeholder, values }: CompletedFlag): string {
  const takes = placeholder === undefined ? "" : values === "files" ? " -r" : " -x";
  return `-l ${name}${takes}${valuesOf(values)} -d ${singleQuoted(meaning)}`;
}

function valuesOf(values: Completions): string {
  if (values === "files") return " -F";
  return values.length === 0 ? "" : ` -a '${values.join(" ")}'`;
}

function singleQuoted(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
