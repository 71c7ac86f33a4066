/** Limits of servers and clients. This file also runs in browsers. */

/** Longest key in bytes of UTF-8. */
const keyBytesMax = 4096;

/**
 * Default of the longest value in bytes: gRPC clients accept messages of 4 MiB, and a message is more than its value.
 */
export const defaultValueBytesMax = 4 * 1024 * 1024 - 64 * 1024;

/** The largest allowed `maxvaluebytes`: a value is in memory several times while it is put or read. */
export const valueBytesLimit = 64 * 1024 * 1024;

/** The longest message between nodes: a change with its value and the one before. */
export const messageBytesLimit = 2 * valueBytesLimit + 1024 * 1024;

/** Most compares and operations of a batch together. */
export const batchOperationsMax = 1000;

const utf8 = new TextEncoder();

/** Why a key is too long, or undefined. */
export function problemWithKeyLength(key: string): string | undefined {
  // A UTF-16 unit takes at most three bytes, so that most keys need not be counted.
  if (key.length * 3 <= keyBytesMax) return undefined;
  const bytes = utf8.encode(key).length;
  if (bytes <= keyBytesMax) return undefined;
  return `the key has ${bytes} bytes of UTF-8; at most ${keyBytesMax} are allowed`;
}
