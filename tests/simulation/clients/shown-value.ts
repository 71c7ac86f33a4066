/** What is compared of a value: what follows its first space only makes it larger. */
export function shownValue(value: Uint8Array | string): string {
  const [shown = ""] = (typeof value === "string" ? value : Buffer.from(value).toString()).split(" ", 1);
  return shown;
}
