/** A command, as far as shells complete it. */
export interface Completed {
  /** `put`, or `log verify`. */
  readonly words: readonly string[];
  readonly meaning: string;
  readonly flags: readonly CompletedFlag[];
  /** What its operands can be, if that is known. */
  readonly operands: Completions;
}

export interface CompletedFlag {
  readonly name: string;
  readonly meaning: string;
  /** Word that stands for its value; undefined for a switch. */
  readonly placeholder: string | undefined;
  readonly values: Completions;
}

/** Files, words, or nothing that is known. */
export type Completions = "files" | readonly string[];

/** The second words of commands of two, by their first. */
export function subcommands(commands: readonly Completed[]): Map<string, Completed[]> {
  const found = new Map<string, Completed[]>();
  for (const each of commands) {
    const [first = "", second] = each.words;
    if (second !== undefined) found.set(first, [...(found.get(first) ?? []), each]);
  }
  return found;
}

/** The first words of commands, once each, with what they mean. */
export function firstWords(commands: readonly Completed[]): Map<string, string> {
  const several = subcommands(commands);
  return new Map(
    commands.map(({ words: [first = ""], meaning }) => {
      const seconds = several.get(first)?.map(({ words }) => words[1]);
      return [first, seconds === undefined ? meaning : `${seconds.join(", ")}.`];
    }),
  );
}
