import { type Completed, type Completions, firstWords, subcommands } from "./completed.ts";

/** The script for bash 4.2 or later. It needs nothing else, not even the package bash-completion. */
export function bashCompletion(commands: readonly Completed[]): string {
  const firsts = [...firstWords(commands).keys()].join(" ");
  const seconds = [...subcommands(commands)].map(
    ([first, several]) =>
      `    ${first}) [[ $COMP_CWORD -eq 2 ]] && words="${several.map(({ words }) => words[1]).join(" ")}" ;;\n`,
  );
  return `# bash completion of kvlab, made by \`kvlab completion bash\`
_kvlab() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" words= flags= files= values=none
  # bash parts --name=value into three words
  [[ $cur == = ]] && cur=
  [[ $prev == = ]] && prev="\${COMP_WORDS[COMP_CWORD-2]}"
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "${firsts}" -- "$cur"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${seconds.join("")}    help) words="${firsts}" ;;
  esac
  case "\${COMP_WORDS[1]} \${COMP_WORDS[2]} " in
${commands.map(caseOf).join("")}  esac
  if [[ $values != none ]]; then
    words=$values files=
    [[ $values == files ]] && words= files=yes
  elif [[ $cur == -* ]]; then
    words=$flags files=
  fi
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  else
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  fi
}
complete -F _kvlab kvlab
`;
}

function caseOf({ words, flags, operands }: Completed): string {
  const values = flags
    .filter(({ placeholder }) => placeholder !== undefined)
    .map(({ name, values }) => `        --${name}) values="${listOf(values)}" ;;\n`);
  const operand =
    operands === "files" ? "files=yes " : operands.length > 0 ? `words="${listOf(operands)}" ` : "";
  const names = flags.map(({ name }) => `--${name}`).join(" ");
  return `    "${words.join(" ")} "*)
      ${operand}flags="${names}"
      case "$prev" in
${values.join("")}      esac ;;
`;
}

function listOf(values: Completions): string {
  return values === "files" ? "files" : values.join(" ");
}
