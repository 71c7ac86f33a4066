/** Names of groups and files, as a line of the log has them: percent-encoded, so without spaces, commas and colons. */
export function formatName(name: string): string {
  return encodeURIComponent(name);
}

/** Undefined when the text is no name that `formatName` has made. */
export function parseName(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
