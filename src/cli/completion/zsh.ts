import {
  type Completed,
  type CompletedFlag,
  type Completions,
  firstWords,
  subcommands,
} from "./completed.ts";

/** The script for zsh. It is saved as `_kvlab` in a folder of `fpath`, or sourced after compinit. */
export function zshCompletion(commands: readonly Completed[]): string {
  const several = [...subcommands(commands)].map(
    ([first, each]) => `    ${first})
      if (( CURRENT == 2 )); then
        local -a seconds=(
${each.map(({ words, meaning }) => describeItem(words[1] ?? "", meaning)).join("")}        )
        _describe 'command' seconds
        return
      fi
      shift words
      (( CURRENT-- ))
      command="$command $words[1]" ;;
`,
  );
  return `#compdef kvlab
# zsh completion of kvlab, made by \`kvlab completion zsh\`
_kvlab() {
  local -a firsts=(
${[...firstWords(commands)].map(([name, meaning]) => describeItem(name, meaning)).join("")}  )
  if (( CURRENT == 2 )); then
    _describe 'command' firsts
    return
  fi
  shift words
  (( CURRENT-- ))
  local command=$words[1]
  case $command in
${several.join("")}    help) _describe 'command' firsts; return ;;
  esac
  case $command in
${commands.map(caseOf).join("")}  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _kvlab "$@"; else compdef _kvlab kvlab; fi
`;
}

function describeItem(name: string, meaning: string): string {
  return `    ${singleQuoted(`${name}:${meaning}`)}\n`;
}

function caseOf({ words, flags, operands }: Completed): string {
  const specs = flags.map(flagSpec);
  specs.push(singleQuoted(`*:operand:${actionOf(operands)}`));
  return `    '${words.join(" ")}') _arguments ${specs.join(" ")} ;;\n`;
}

function flagSpec({ name, meaning, placeholder, values }: CompletedFlag): string {
  const described = `[${meaning.replace(/[[\]\\:]/g, "\\$&")}]`;
  if (placeholder === undefined) return singleQuoted(`--${name}${described}`);
  return singleQuoted(`--${name}=${described}:${placeholder.replaceAll(":", "\\:")}:${actionOf(values)}`);
}

function actionOf(values: Completions): string {
  if (values === "files") return "_files";
  return values.length === 0 ? " " : `(${values.join(" ")})`;
}

function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
