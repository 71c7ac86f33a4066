/** Limits that servers and clients share; this file runs in browsers, too. */

/** Longest key in bytes of UTF-8. */
const keyBytesMax = 4096;

/** Most compares and operations of a batch together. */
export const batchOperationsMax = 1000;

const utf8 = new TextEncoder();

/** Why a key is too long, in words; undefined when it is not. */
export function flawOfKeyLength(key: string): string | undefined {
  // A UTF-16 unit takes at most three bytes, so that most keys need not be counted.
  if (key.length * 3 <= keyBytesMax) return undefined;
  const bytes = utf8.encode(key).length;
  if (bytes <= keyBytesMax) return undefined;
  return `the key has ${bytes} bytes of UTF-8; at most ${keyBytesMax} are allowed`;
}
