/** Many gRPC clients accept 8 KiB of header fields, in which other characters than those of ASCII take three times their bytes. */
const shownMax = 64;

/** A key as errors name it, in quotes. Of a long one the beginning: otherwise the client might not accept the error. */
export function shownKey(key: string): string {
  return JSON.stringify(key.length > shownMax ? `${key.slice(0, shownMax)}…` : key);
}
