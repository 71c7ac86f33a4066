/** The least number that so large a part of all is not greater than. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}

/** Rows of words as lines, the first column to the left and the others to the right. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((word, column) =>
          column === 0 ? word.padEnd(widths[column] ?? 0) : word.padStart(widths[column] ?? 0),
        )
        .join("  "),
    )
    .join("\n");
}
