/** Limits that servers and clients share; this file runs in browsers, too. */

/** Longest key in bytes of UTF-8. */
const keyBytesMax = 4096;

/** Longest value in bytes, unless set otherwise: gRPC clients take messages of 4 MiB, and a value is not all of one. */
export const defaultValueBytesMax = 4 * 1024 * 1024 - 64 * 1024;

/** The greatest `maxvaluebytes`: a value is in memory, more than once, while it is put and read. */
export const valueBytesLimit = 64 * 1024 * 1024;

/** The longest message between programs of ours: a change with its value and the one before. */
export const messageBytesLimit = 2 * valueBytesLimit + 1024 * 1024;

/** Most compares and operations of a batch together. */
export const batchOperationsMax = 1000;

const utf8 = new TextEncoder();

/** Why a key is too long, in words; undefined when it is not. */
export function problemWithKeyLength(key: string): string | undefined {
  // A UTF-16 unit takes at most three bytes, so that most keys need not be counted.
  if (key.length * 3 <= keyBytesMax) return undefined;
  const bytes = utf8.encode(key).length;
  if (bytes <= keyBytesMax) return undefined;
  return `the key has ${bytes} bytes of UTF-8; at most ${keyBytesMax} are allowed`;
}
