/** What to say of anything that was thrown: the message of an error, or the thing as text. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
