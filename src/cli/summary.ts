/** The first sentence of a summary, for an overview. */
export function firstSentence(summary: string): string {
  return summary.replace(/[.:] .*/s, ".");
}
