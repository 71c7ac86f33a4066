/** A command, as shell completion sees it. */
export interface Completed {
  /** `put`, or `log verify`. */
  readonly words: readonly string[];
  readonly meaning: string;
  readonly flags: readonly CompletedFlag[];
  /** The possible operands, if they are known. */
  readonly operands: Completions;
}

export interface CompletedFlag {
  readonly name: string;
  readonly meaning: string;
  /** Word that stands for its value; undefined for a switch. */
  readonly placeholder: string | undefined;
  readonly values: Completions;
}

/** Files, a list of words, or nothing known. */
export type Completions = "files" | readonly string[];

/** For commands of two words: the second words, by the first word. */
export function subcommands(commands: readonly Completed[]): Map<string, Completed[]> {
  const found = new Map<string, Completed[]>();
  for (const each of commands) {
    const [first = "", second] = each.words;
    if (second !== undefined) found.set(first, [...(found.get(first) ?? []), each]);
  }
  return found;
}

/** The first words of the commands, once each, with their meanings. */
export function firstWords(commands: readonly Completed[]): Map<string, string> {
  const several = subcommands(commands);
  return new Map(
    commands.map(({ words: [first = ""], meaning }) => {
      const seconds = several.get(first)?.map(({ words }) => words[1]);
      return [first, seconds === undefined ? meaning : `${seconds.join(", ")}.`];
    }),
  );
}
