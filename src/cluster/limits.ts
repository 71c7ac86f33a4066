import { KvError } from "./errors.ts";

/** Longest key in bytes of UTF-8. */
const keyBytesMax = 4096;

/** Longest value in bytes, unless set otherwise. */
export const defaultValueBytesMax = 4 * 1024 * 1024;

/** Throws `invalid` for a key that is too long. */
export function checkKey(key: string): void {
  // A UTF-16 unit takes at most three bytes, so that most keys need not be counted.
  if (key.length * 3 <= keyBytesMax) return;
  const bytes = Buffer.byteLength(key);
  if (bytes > keyBytesMax) {
    throw new KvError("invalid", `the key has ${bytes} bytes of UTF-8; at most ${keyBytesMax} are allowed`);
  }
}

/** Throws `invalid` for a value that is too long. */
export function checkValue(value: Uint8Array, valueBytesMax: number): void {
  if (value.length > valueBytesMax) {
    throw new KvError(
      "invalid",
      `the value has ${value.length} bytes; at most ${valueBytesMax} are allowed (maxvaluebytes)`,
    );
  }
}
