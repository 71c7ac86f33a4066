/** As much of a summary as an overview has room for. */
export function firstSentence(summary: string): string {
  return summary.replace(/[.:] .*/s, ".");
}
