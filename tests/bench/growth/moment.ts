/** When a server has first written a line with `text`, by the time at its start: milliseconds since 1970. */
export function momentOf(output: string, text: string): number {
  const line = output.split("\n").find((each) => each.includes(text)) ?? "";
  return Date.parse(line.split(" ")[0] ?? "");
}
